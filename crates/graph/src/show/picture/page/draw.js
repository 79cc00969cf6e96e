// Boxes and lines as SVG elements. The same as svg.rs.
const NS = 'http://www.w3.org/2000/svg';
const MARKS = ['', ' changed', ' removed', ' added'];
const f1 = v => v.toFixed(1);

function el(parent, name, attributes, text) {
  const e = document.createElementNS(NS, name);
  for (const k in attributes) e.setAttribute(k, attributes[k]);
  if (text !== undefined) e.textContent = text;
  parent.appendChild(e);
  return e;
}

function draw(parent, plan, at, x, y, boxes) {
  at.inside.forEach((inner, s) => {
    const i = plan.s[s][1], item = D.items[i], w = at.w[s], h = at.h[s], l = x + at.x[s] - w / 2, t = y + at.y[s] - h / 2;
    const g = el(parent, 'g', { class: 'open' + MARKS[item.m], 'data-i': i, tabindex: 0, role: 'button', 'aria-expanded': true, 'aria-label': 'close ' + item.p });
    el(g, 'rect', { class: 'box frame', x: f1(l), y: f1(t), width: f1(w), height: f1(h), rx: 10 });
    el(g, 'rect', { class: 'grip', x: f1(l), y: f1(t), width: f1(w), height: HEAD - 4, rx: 10 });
    const head = el(g, 'text', { class: 'head', x: f1(l + 12), y: f1(t + 19) }, '▾ ' + item.n + ' ');
    el(head, 'tspan', {}, item.b);
    boxes.set(i, { g, x: l, y: t, w, h });
    draw(parent, inner.plan, inner, x + at.x[s] - inner.width / 2, t + HEAD, boxes);
  });
  const d = docks(plan, at);
  plan.l.forEach(([from, to, value, mark], k) => {
    const a = plan.s[from], b = plan.s[to];
    const tip = b[0] === ITEM && !at.inside.has(to) ? ' tip' : '';
    el(parent, 'path', {
      class: 'link' + tip + MARKS[mark], d: way(plan, at, d, k, x, y), 'data-v': value,
      'data-a': a[0] === ITEM ? a[1] : '', 'data-b': b[0] === ITEM ? b[1] : '',
    });
  });
  plan.s.forEach(([kind, i], s) => { if (kind === ITEM && !at.inside.has(s)) node(parent, i, x + at.x[s], y + at.y[s], boxes); });
  shapes(parent, plan, at, d, x, y);
}

function way(plan, at, d, k, x, y) {
  const [from, to] = plan.l[k], a = plan.s[from], b = plan.s[to];
  const xa = x + d.leave[k], xb = x + d.enter[k];
  if (a[2] === b[2]) return beside(plan, at, from, to, x, y, xa, xb);
  const own = (s, below) => plan.s[s][0] === ITEM ? at.y[s] + (below ? at.h[s] : -at.h[s]) / 2 : at.rows[plan.s[s][2]][below ? 1 : 0];
  const dn = a[2] < b[2], start = y + own(from, dn), end = y + own(to, !dn);
  const leave = y + at.rows[a[2]][dn ? 1 : 0], enter = y + at.rows[b[2]][dn ? 0 : 1], middle = (leave + enter) / 2;
  let p = '';
  if (a[0] === IN) p = `M${f1(xa)} ${f1(dn ? start - HEAD : start + PAD)}V${f1(start)}`;
  p += `M${f1(xa)} ${f1(start)}`;
  if (Math.abs(leave - start) > 0.5) p += `V${f1(leave)}`;
  p += Math.abs(xa - xb) < 0.5 ? `V${f1(enter)}` : `C${f1(xa)} ${f1(middle)} ${f1(xb)} ${f1(middle)} ${f1(xb)} ${f1(enter)}`;
  if (Math.abs(end - enter) > 0.5) p += `V${f1(end)}`;
  if (b[0] === VIA) p += `V${f1(y + at.rows[b[2]][dn ? 1 : 0])}`;
  if (b[0] === OUT) p += `V${f1(dn ? end + PAD : end - HEAD)}`;
  return p;
}

function beside(plan, at, from, to, x, y, xa, xb) {
  const row = plan.r[plan.s[from][2]], a = row.indexOf(from), b = row.indexOf(to);
  const between = row.slice(Math.min(a, b) + 1, Math.max(a, b)).some(s => plan.s[s][0] === ITEM);
  if (between || at.inside.has(from) || at.inside.has(to)) {
    const own = s => y + at.y[s] - at.h[s] / 2, top = y + at.rows[plan.s[from][2]][0], over = f1(top - bow(plan, from, to));
    const aside = (s, right) => at.inside.has(s) ? 0 : 0.38 * at.w[s] * (right ? 1 : -1);
    [xa, xb] = [xa + aside(from, b > a), xb + aside(to, b < a)];
    const rise = (s, end) => Math.abs(own(s) - top) > 0.5 ? `V${f1(end)}` : '';
    return `M${f1(xa)} ${f1(own(from))}${rise(from, top)}C${f1(xa)} ${over} ${f1(xb)} ${over} ${f1(xb)} ${f1(top)}${rise(to, own(to))}`;
  }
  const sign = b > a ? 1 : -1;
  return `M${f1(x + at.x[from] + sign * at.w[from] / 2)} ${f1(y + at.y[from])}H${f1(x + at.x[to] - sign * at.w[to] / 2)}`;
}

function node(parent, i, x, y, boxes) {
  const item = D.items[i], [w, h] = item.z, l = x - w / 2, t = y - h / 2, end = item.k < 2;
  const g = el(parent, 'g', {
    class: 'node ' + (end ? 'end' : 'c' + item.s) + MARKS[item.m] + (item.a ? ' opens' : ''), 'data-i': i, tabindex: 0, role: 'button', 'aria-label': `${item.p}, ${item.b}`,
  });
  const box = { x: f1(l), y: f1(t), width: f1(w), height: f1(h), rx: end ? h / 2 : 7 };
  if (item.k === 2) el(g, 'rect', { ...box, class: 'back', x: f1(l + 4), y: f1(t - 4) });
  el(g, 'rect', { ...box, class: 'box' });
  el(g, 'text', { class: 'name', x: f1(x), y: f1(t + 18) }, item.g[0]);
  el(g, 'text', { class: 'block', x: f1(x), y: f1(t + 32.5) }, item.g[1]);
  if (item.g[2] && h > 50) el(g, 'text', { class: 'cost', x: f1(x), y: f1(t + 48) }, item.g[2]);
  if (item.a && item.k === 2) el(g, 'text', { class: 'chevron', x: f1(l + 7), y: f1(t + 17) }, '▸');
  boxes.set(i, { g, x: l, y: t, w, h });
}

// Whether a box has one output, what it takes comes from above, and nothing meets its lower side.
function turns(plan, s) {
  const row = t => plan.s[t][2], out = plan.l.filter(([from]) => from === s), into = plan.l.filter(([, to]) => to === s);
  return out.every(([,, value]) => value === out[0][2]) && into.some(([from]) => row(from) < row(s))
    && out.every(([, to]) => row(to) <= row(s)) && into.every(([from]) => row(from) <= row(s));
}

function shapes(parent, plan, at, d, x, y) {
  const seen = new Set(), leftwards = new Set();
  plan.l.forEach(([from, to, value], k) => {
    if (!d.crowded[k] && d.enter[k] > d.leave[k] + 24 && plan.s[from][2] !== plan.s[to][2]) leftwards.add(from + ':' + value);
  });
  plan.l.forEach(([from, to, value], k) => {
    const [kind, i, row] = plan.s[from];
    if (kind !== ITEM || at.inside.has(from) || D.items[i].k === 0 || seen.has(from + ':' + value)) return;
    seen.add(from + ':' + value);
    const out = D.items[i].o.find(o => o[1] === value) || D.items[i].o[0];
    if (!out) return;
    const other = plan.s[to][2], half = at.h[from] / 2;
    let [lx, ly] = row < other ? [d.leave[k] + 5, at.y[from] + half + 12] : row > other ? [d.leave[k] + 5, at.y[from] - half - 6] : [at.x[from] + at.w[from] / 2 + 6, at.y[from] - 5];
    const turned = row > other && turns(plan, from), bends = !turned && leftwards.has(from + ':' + value);
    if (bends) lx -= 10;
    if (turned) [lx, ly] = [at.x[from], at.y[from] + half + 13];
    const anchor = turned ? { 'text-anchor': 'middle' } : bends ? { 'text-anchor': 'end' } : {};
    el(parent, 'text', { class: 'shape', x: f1(x + lx), y: f1(y + ly), ...anchor }, (out[0] ? out[0] + ' ' : '') + out[2]);
  });
}
