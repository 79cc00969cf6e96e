// Sizes and coordinates of a scope with some boxes open. The same as place.rs and dock.rs, which say why.
'use strict';
const PAD = 18, HEAD = 30, LANE = 15, ROW = 34;
const ITEM = 0, VIA = 1, IN = 2, OUT = 3;

function place(plan, open) {
  const n = plan.s.length;
  const at = { x: [], y: new Array(n).fill(0), w: new Array(n).fill(0), h: new Array(n).fill(0), rows: [], inside: new Map(), width: 0, height: 0, plan };
  plan.s.forEach(([kind, ref], s) => {
    if (kind !== ITEM) return;
    const item = D.items[ref];
    if (item.a && open.has(ref)) {
      const inner = place(item.a, open);
      at.inside.set(s, inner);
      at.w[s] = Math.max(inner.width + 2 * PAD, item.tw);
      at.h[s] = inner.height + HEAD + PAD;
    } else [at.w[s], at.h[s]] = item.z;
  });
  across(plan, at);
  down(plan, at);
  return at;
}

// Where a link meets an open box, from the box's middle; 0 elsewhere.
function offset(plan, at, s, value, enters, top) {
  const inner = at.inside.get(s);
  if (!inner) return 0;
  const rows = inner.plan.r, kind = enters ? IN : OUT;
  const port = rows[top ? 0 : rows.length - 1].find(t => inner.plan.s[t][0] === kind && inner.plan.s[t][1] === value);
  return port === undefined ? 0 : inner.x[port] - inner.width / 2;
}

function pull(near, x) {
  let sum = 0, weight = 0;
  for (const [t, shift, k] of near) { sum += k * (x[t] + shift); weight += k; }
  return weight > 0 ? sum / weight : undefined;
}

function across(plan, at) {
  const n = plan.s.length, near = [Array.from({ length: n }, () => []), Array.from({ length: n }, () => [])];
  for (const [from, to, value] of plan.l) {
    const a = plan.s[from], b = plan.s[to];
    if (Math.abs(a[2] - b[2]) !== 1) continue;
    const dn = a[2] < b[2];
    const shift = offset(plan, at, from, value, false, !dn) - offset(plan, at, to, value, true, dn);
    const ia = a[0] === ITEM, ib = b[0] === ITEM;
    const weight = !ia && !ib ? 8 : ia && ib ? (a[3] === b[3] ? 3 : 0.5) : 1;
    near[dn ? 0 : 1][to].push([from, shift, weight]);
    near[dn ? 1 : 0][from].push([to, -shift, weight]);
  }
  const gap = (a, b) => {
    const la = plan.s[a][0] !== ITEM, lb = plan.s[b][0] !== ITEM;
    return at.w[a] / 2 + at.w[b] / 2 + (la && lb ? LANE : !la && !lb ? (plan.w.length ? 56 : 30) : 20) + (plan.s[a][3] === plan.s[b][3] ? 0 : 12);
  };
  const x = new Array(n).fill(0);
  if (plan.w.length) {
    for (const row of plan.r) settle(row, row.map(s => plan.w[s]), gap, x);
    at.x = x;
    return;
  }
  for (const row of plan.r) {
    let sum = 0;
    row.forEach((s, k) => { sum += k ? gap(row[k - 1], s) : 0; x[s] = sum; });
    row.forEach(s => { x[s] -= sum / 2; });
  }
  const rows = plan.r.length, sweeps = n > 20000 ? 2 : 12;
  for (let sweep = 0; sweep < sweeps; sweep++) {
    for (let k = 0; k < rows; k++) {
      const [r, side] = sweep % 2 === 0 ? [k, 0] : [rows - 1 - k, 1];
      settle(plan.r[r], plan.r[r].map(s => { const p = pull(near[side][s], x); return p === undefined ? x[s] : p; }), gap, x);
    }
  }
  const chain = chains(plan), turns = n > 2000 ? 12 : 90;
  for (let turn = 0; turn < turns; turn++) {
    const sum = new Array(n).fill(0), count = new Array(n).fill(0);
    for (let s = 0; s < n; s++) {
      let wish = x[s];
      if (turn * 3 < turns) {
        const p = pull(near[0][s].concat(near[1][s]).filter(([t]) => chain[t] !== chain[s]), x);
        if (p !== undefined) wish = 0.7 * x[s] + 0.3 * p;
      }
      sum[chain[s]] += wish;
      count[chain[s]]++;
    }
    for (const row of plan.r) settle(row, row.map(s => sum[chain[s]] / count[chain[s]]), gap, x);
  }
  at.x = x;
}

function chains(plan) {
  const n = plan.s.length, below = new Array(n).fill(-1), taken = new Array(n).fill(false);
  for (let pass = 0; pass < 3; pass++) {
    for (const [from, to] of plan.l) {
      const a = plan.s[from], b = plan.s[to], ia = a[0] === ITEM, ib = b[0] === ITEM;
      const [upper, lower] = a[2] < b[2] ? [from, to] : [to, from];
      const alike = pass === 0 ? !ia && !ib : pass === 1 ? ia && ib && a[3] === b[3] : ia !== ib && a[3] === b[3] && a[3] !== 1;
      if (alike && Math.abs(a[2] - b[2]) === 1 && below[upper] < 0 && !taken[lower]) { below[upper] = lower; taken[lower] = true; }
    }
  }
  const chain = plan.s.map((_, s) => s);
  for (const row of plan.r) for (const s of row) if (below[s] >= 0) chain[below[s]] = chain[s];
  return chain;
}

function settle(row, wish, gap, x) {
  const blocks = [], ahead = [];
  let sum = 0;
  row.forEach((s, k) => {
    sum += k ? gap(row[k - 1], s) : 0;
    ahead.push(sum);
    let at = wish[k] - sum, weight = 1;
    while (blocks.length && blocks[blocks.length - 1][0] >= at) {
      const [a, w] = blocks.pop();
      at = (at * weight + a * w) / (weight + w);
      weight += w;
    }
    blocks.push([at, weight]);
  });
  let k = 0;
  for (const [at, count] of blocks) for (let i = 0; i < count; i++, k++) x[row[k]] = at + ahead[k];
}

// How high a link within a row bends over what stands between its ends.
function bow(plan, from, to) {
  const row = plan.r[plan.s[from][2]], a = row.indexOf(from), b = row.indexOf(to);
  const items = row.slice(Math.min(a, b) + 1, Math.max(a, b)).filter(s => plan.s[s][0] === ITEM).length;
  return ROW + 20 * Math.min(Math.max(items - 1, 0), 6);
}

function down(plan, at) {
  const n = at.x.length, count = plan.r.length;
  let left = Infinity;
  for (let s = 0; s < n; s++) left = Math.min(left, at.x[s] - at.w[s] / 2);
  for (let s = 0; s < n; s++) { at.x[s] -= left; at.width = Math.max(at.width, at.x[s] + at.w[s] / 2); }
  const reach = new Array(count).fill(0);
  for (const [from, to] of plan.l) {
    const a = plan.s[from][2], b = plan.s[to][2];
    if (Math.abs(a - b) === 1) reach[Math.min(a, b)] = Math.max(reach[Math.min(a, b)], Math.abs(at.x[from] - at.x[to]));
  }
  const arc = new Array(count).fill(0);
  for (const [from, to] of plan.l) {
    const r = plan.s[from][2];
    if (r === plan.s[to][2]) arc[r] = Math.max(arc[r], 0.75 * (bow(plan, from, to) - (r <= 1 ? 0 : ROW)));
  }
  let y = 0;
  plan.r.forEach((row, r) => {
    y += arc[r];
    const height = row.reduce((h, s) => Math.max(h, at.h[s]), 0);
    row.forEach(s => { at.y[s] = y + height / 2; });
    at.rows.push([y, y + height]);
    y += height;
    if (r + 1 < count) {
      const bare = !row.length || !plan.r[r + 1].length;
      y += bare && (r === 0 || r + 2 === count) ? 0 : ROW + Math.min(0.07 * reach[r], 36);
    }
  });
  at.height = y;
}

function docks(plan, at) {
  const d = { leave: [], enter: [], crowded: [] };
  const sides = plan.s.map(() => [[], []]);
  const dock = (s, below, value, link, other, room) => {
    const side = sides[s][below ? 1 : 0], old = value === null ? undefined : side.find(q => q.value === value);
    if (old) { old.other += (other - old.other) / (old.links.length + 1); old.links.push(link); } else side.push({ other, value, links: [link], room });
  };
  plan.l.forEach(([from, to, value], k) => {
    const a = plan.s[from], b = plan.s[to], dn = a[2] < b[2];
    d.leave[k] = at.x[from] + offset(plan, at, from, value, false, !dn);
    d.enter[k] = at.x[to] + offset(plan, at, to, value, true, a[2] <= b[2]);
    if (a[2] === b[2] && !at.inside.has(from) && !at.inside.has(to)) return;
    if (a[0] === ITEM && !at.inside.has(from)) {
      const out = D.items[a[1]].o.find(o => o[1] === value);
      dock(from, dn, value, k, at.x[to], out ? out[3] + 12 : 0);
    }
    if (b[0] === ITEM && !at.inside.has(to)) dock(to, a[2] > b[2], null, k, at.x[from], 18);
  });
  sides.forEach((both, s) => both.forEach(side => {
    side.sort((p, q) => p.other - q.other);
    const crowded = side.filter(q => q.value !== null).length > 1;
    const room = q => q.value === null || !crowded ? 18 : q.room;
    const total = side.reduce((t, q) => t + room(q), 0), scale = Math.min(1, (at.w[s] - 16) / total);
    let x = at.x[s] - total * scale / 2;
    for (const q of side) {
      const own = room(q) * scale, point = crowded && q.value !== null ? x + 7 : x + own / 2;
      for (const k of q.links) if (q.value === null) d.enter[k] = point; else { d.leave[k] = point; d.crowded[k] = crowded; }
      x += own;
    }
  }));
  return d;
}
