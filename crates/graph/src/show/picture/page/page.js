// The page: what is open, what is selected, pan and zoom, search.
const D = JSON.parse(document.getElementById('data').textContent);
const $ = id => document.getElementById(id);
const svg = $('view'), scene = $('scene'), panel = $('panel');
const open = new Set(D.open), byPath = new Map();
D.items.forEach((item, i) => { if (!byPath.has(item.p) || item.k < 4) byPath.set(item.p, i); });
let boxes = new Map(), size = [0, 0], view = { x: 0, y: 0, k: 1 }, selected = -1;

function render() {
  boxes = new Map();
  const at = place(D.root, open);
  scene.textContent = '';
  draw(scene, D.root, at, 0, 0, boxes);
  size = [at.width, at.height];
  $('all').textContent = anyOpen() ? 'Close all' : 'Open all';
  mark();
}
function move() { scene.setAttribute('transform', `translate(${view.x} ${view.y}) scale(${view.k})`); }
function room() {
  const r = svg.getBoundingClientRect();
  return { w: r.width, h: r.height };
}
function fit(whole) {
  const { w, h } = room();
  const [sw, sh] = size, both = Math.min((w - 48) / sw, (h - 48) / sh), wide = Math.min((w - 32) / sw, 1);
  view.k = whole || both > 0.6 ? Math.min(both, 1.25) : Math.max(wide, both);
  view.x = (w - sw * view.k) / 2;
  view.y = Math.max((h - sh * view.k) / 2, 20);
  move();
}
function zoom(factor, cx, cy) {
  const { w, h } = room();
  if (cx === undefined) [cx, cy] = [w / 2, h / 2];
  const k = Math.min(6, Math.max(0.02, view.k * factor)), f = k / view.k;
  view = { x: cx - (cx - view.x) * f, y: cy - (cy - view.y) * f, k };
  move();
}
function ancestors(i) {
  const all = [];
  for (let u = D.items[i].u; u >= 0; u = D.items[u].u) all.push(u);
  return all;
}
// Opens or closes a box; what was pressed stays where it is on the screen.
function toggle(i, to) {
  if (!D.items[i].a) return;
  const before = boxes.get(i);
  if (to === undefined ? open.has(i) : !to) {
    for (const j of [...open]) if (j === i || ancestors(j).includes(i)) open.delete(j);
  } else open.add(i);
  render();
  const after = boxes.get(i);
  if (before && after) {
    view.x += (before.x + before.w / 2 - after.x - after.w / 2) * view.k;
    view.y += (before.y - after.y) * view.k;
  }
  move();
  remember();
}
function reveal(i) {
  const closed = ancestors(i).filter(u => !open.has(u));
  if (closed.length) { closed.forEach(u => open.add(u)); render(); }
  const b = boxes.get(i), { w, h } = room();
  if (b) {
    view.k = Math.max(view.k, 0.75);
    view.x = w / 2 - (b.x + b.w / 2) * view.k;
    view.y = h / 2 - (b.y + b.h / 2) * view.k;
    move();
  }
  select(i);
}
function select(i) {
  selected = i;
  mark();
  describe();
  remember();
}
function mark() {
  scene.querySelectorAll('.selected,.hot').forEach(e => e.classList.remove('selected', 'hot'));
  const b = boxes.get(selected);
  scene.classList.toggle('quiet', !!b);
  if (!b) return;
  b.g.classList.add('selected');
  const own = new Set(D.wires.filter(w => within(w[0], selected)).map(w => w[0]));
  for (const e of scene.querySelectorAll('.link')) if (own.has(+e.dataset.v) || e.dataset.b === String(selected)) e.classList.add('hot');
}
function within(i, outer) { return i === outer || ancestors(i).includes(outer); }

// --- the panel ---
function add(parent, name, text, cls) {
  const e = document.createElement(name);
  if (text !== undefined) e.textContent = text;
  if (cls) e.className = cls;
  parent.appendChild(e);
  return e;
}
function number(n) { return n.toLocaleString('en'); }
function mebibytes(n) { return (n / 1048576).toLocaleString('en', { minimumFractionDigits: 1, maximumFractionDigits: n < 1048576 ? 3 : 1 }) + ' MiB'; }
function share(a, b) { const p = b ? 100 * a / b : 0; return a && p < 0.1 ? '<0.1%' : p.toFixed(p < 9.95 ? 1 : 0) + '%'; }
function table(parent, title, rows) {
  if (!rows.length) return;
  add(parent, 'h3', title);
  const t = add(parent, 'table');
  for (const cells of rows) {
    const r = add(t, 'tr');
    cells.forEach((c, k) => {
      const d = add(r, k ? 'td' : 'th');
      // Numbers stand at the right, with their units.
      if (k && /^[<+-]?[\d,.]+( MiB|%)?$/.test(c)) d.className = 'n';
      if (typeof c === 'object') { const b = add(d, 'button', c.text, 'go'); b.onclick = () => reveal(c.to); } else d.textContent = c;
    });
  }
}
// The nearest item that is a node of the user.
function owner(i) { return D.items[i].k === 4 && D.items[i].u >= 0 ? D.items[i].u : i; }
// The input by which a value enters: a composite's own, not that of the node inside.
function entry(item, from, out, port) {
  const names = [from.p, from.n].map(n => out ? n + '.' + out : n);
  const own = item.in.find(([, said]) => names.some(n => n === said || n.startsWith(said + '.')));
  return own ? own[0] : item.k === 2 ? '' : port;
}
function describe() {
  panel.textContent = '';
  const item = D.items[selected];
  document.body.classList.toggle('described', !!item || !!D.versus);
  // On a narrow screen the panel of a node takes the place of the legend.
  document.body.classList.toggle('picked', !!item);
  if (!item) { overview(); return; }
  const top = add(panel, 'div', undefined, 'top');
  add(top, 'h2', item.n);
  const x = add(top, 'button', '×', 'close');
  x.setAttribute('aria-label', 'close the panel');
  x.onclick = () => select(-1);
  add(panel, 'p', item.b + (item.p !== item.n ? ' · ' + item.p : ''), 'what');
  if (item.t.length) { const l = add(panel, 'ul', undefined, 'notes' + MARKS[item.m]); item.t.forEach(t => add(l, 'li', t)); }
  if (item.a) {
    const b = add(panel, 'button', open.has(selected) ? 'Close it' : item.k === 2 ? 'Open it' : 'Show its operations', 'wide');
    const i = selected;
    b.onclick = () => { toggle(i); describe(); };
  }
  const inputs = [], outputs = [], seen = new Set();
  for (const [from, to, port] of D.wires) {
    const a = within(from, selected), b = within(to, selected);
    if (a === b) continue;
    const other = a ? owner(to) : owner(from), key = a + ':' + from + ':' + other;
    if (seen.has(key)) continue;
    seen.add(key);
    const out = (a ? item.o : D.items[other].o).find(o => o[1] === from) || D.items[from].o[0] || ['', 0, ''];
    (a ? outputs : inputs).push([(a ? out[0] : entry(item, D.items[other], out[0], port)), out[2], { text: D.items[other].p, to: other }]);
  }
  table(panel, 'Inputs', inputs);
  table(panel, 'Outputs', outputs.length ? outputs : item.o.map(o => [o[0], o[2]]));
  table(panel, 'Fields', item.f.map(([n, t, v]) => v ? [n, t, '= ' + v] : [n, t]));
  const c = item.c, t = D.total;
  table(panel, 'Cost', [
    ['parameters', number(c[0]), share(c[0], t[0])], ['MACs', number(c[1]), share(c[1], t[1])], ['activations', mebibytes(c[2]), share(c[2], t[2])],
  ]);
  const weights = D.items.filter((_, i) => within(i, selected)).flatMap(i => i.w.map(([n, d]) => [n, d.join(' × ')]));
  table(panel, 'Weights', weights);
  const shared = D.items.filter((_, i) => within(i, selected)).filter(i => i.h).map(i => [i.n, 'those of ' + i.h]);
  table(panel, 'Shared weights', shared);
  if (item.l) { add(panel, 'h3', 'Source'); add(panel, 'code', item.l); }
}
function overview() {
  add(panel, 'h2', D.versus ? 'Differences' : D.name);
  if (D.changes.length) { const l = add(panel, 'ul'); D.changes.forEach(c => add(l, 'li', c)); }
  if (!D.versus) {
    add(panel, 'p', 'Select a node to see its fields, shapes, cost, weights and where it is written.', 'what');
    const most = (c, text) => D.items.map((item, i) => [item, i]).filter(([item]) => item.u < 0 && item.c[c]).sort((a, b) => b[0].c[c] - a[0].c[c]).slice(0, 8)
      .map(([item, i]) => [{ text: item.p, to: i }, text(item.c[c]), share(item.c[c], D.total[c])]);
    table(panel, 'Most MACs', most(1, number));
    table(panel, 'Most parameters', most(0, number));
    table(panel, 'Most activations', most(2, mebibytes));
    return;
  }
  const rows = D.items.map((item, i) => [item, i]).filter(([item]) => item.m && item.k < 4 && item.t.length);
  table(panel, rows.length ? 'Nodes' : '', rows.map(([item, i]) => [{ text: item.p, to: i }, MARKS[item.m].trim()]));
}

// --- pointers: drag to pan, two fingers to pinch, a press without moving selects ---
const fingers = new Map();
let moved = 0;
svg.addEventListener('pointerdown', e => {
  fingers.set(e.pointerId, [e.clientX, e.clientY]);
  if (fingers.size === 1) moved = 0;
});
addEventListener('pointermove', e => {
  const old = fingers.get(e.pointerId);
  if (!old) return;
  const [dx, dy] = [e.clientX - old[0], e.clientY - old[1]];
  moved += Math.abs(dx) + Math.abs(dy);
  if (fingers.size === 1) { view.x += dx; view.y += dy; move(); } else if (fingers.size === 2) {
    const [[, o]] = [...fingers].filter(([id]) => id !== e.pointerId);
    const r = svg.getBoundingClientRect(), length = (p, q) => Math.hypot(p[0] - q[0], p[1] - q[1]) || 1;
    view.x += dx / 2; view.y += dy / 2;
    zoom(length([e.clientX, e.clientY], o) / length(old, o), (e.clientX + o[0]) / 2 - r.left, (e.clientY + o[1]) / 2 - r.top);
  }
  fingers.set(e.pointerId, [e.clientX, e.clientY]);
});
for (const type of ['pointerup', 'pointercancel']) addEventListener(type, e => fingers.delete(e.pointerId));
svg.addEventListener('click', e => { if (moved < 6) press(e.target.closest('[data-i]'), e.detail > 1); });
function press(g, twice) {
  if (!g) { select(-1); return; }
  const i = +g.dataset.i;
  if (D.items[i].k === 2 || twice || open.has(i)) toggle(i);
  select(i);
}
svg.addEventListener('wheel', e => {
  e.preventDefault();
  const r = svg.getBoundingClientRect(), step = e.deltaMode === 1 ? 18 : 1;
  if (e.shiftKey) { view.x -= (e.deltaX || e.deltaY) * step; move(); } else zoom(Math.exp(-e.deltaY * step * (e.ctrlKey ? 0.01 : 0.0016)), e.clientX - r.left, e.clientY - r.top);
}, { passive: false });

// --- keys, buttons, search, theme ---
const actions = {
  '+': () => zoom(1.25), '=': () => zoom(1.25), '-': () => zoom(0.8), 0: () => fit(true), ArrowLeft: () => { view.x += 60; move(); }, ArrowRight: () => { view.x -= 60; move(); },
  ArrowUp: () => { view.y += 60; move(); }, ArrowDown: () => { view.y -= 60; move(); }, '/': () => $('search').focus(), Escape: () => select(-1), t: () => theme(),
  o: () => everything(true), c: () => everything(false),
};
addEventListener('keydown', e => {
  if (e.target === $('search') || e.ctrlKey || e.metaKey || e.altKey) return;
  const g = e.target.closest && e.target.closest('[data-i]');
  if (g && (e.key === 'Enter' || e.key === ' ')) { const i = +g.dataset.i; press(g, true); const b = boxes.get(i); if (b) b.g.focus(); e.preventDefault(); return; }
  const act = actions[e.key];
  if (act) { act(); e.preventDefault(); }
});
function anyOpen() { return [...open].some(i => D.items[i].k === 2); }
function everything(to) {
  open.clear();
  if (to) D.items.forEach((item, i) => { if (item.a && item.k === 2) open.add(i); });
  render(); fit(false); remember();
}
$('in').onclick = () => zoom(1.25);
$('out').onclick = () => zoom(0.8);
$('fit').onclick = () => fit(true);
$('all').onclick = () => everything(!anyOpen());
$('theme').onclick = () => theme();
function theme(to) {
  const dark = matchMedia('(prefers-color-scheme: dark)').matches, now = document.documentElement.dataset.theme || (dark ? 'dark' : 'light');
  document.documentElement.dataset.theme = to || (now === 'dark' ? 'light' : 'dark');
}
const found = $('found');
$('search').addEventListener('input', () => {
  const words = $('search').value.toLowerCase().split(/\s+/).filter(Boolean);
  found.textContent = '';
  if (!words.length) return;
  const hits = [];
  for (let i = 0; i < D.items.length && hits.length < 12; i++) {
    const text = (D.items[i].p + ' ' + D.items[i].b).toLowerCase();
    if (words.every(w => text.includes(w))) hits.push(i);
  }
  for (const i of hits) {
    const b = add(found, 'button', D.items[i].p);
    add(b, 'span', D.items[i].b);
    b.onclick = () => { found.textContent = ''; reveal(i); };
  }
  if (!hits.length) add(found, 'p', 'nothing is called that');
});
$('search').addEventListener('keydown', e => {
  if (e.key === 'Enter' && found.querySelector('button')) found.querySelector('button').click();
  if (e.key === 'Escape') { found.textContent = ''; $('search').value = ''; $('search').blur(); }
  if (e.key === 'ArrowDown' && found.querySelector('button')) { found.querySelector('button').focus(); e.preventDefault(); }
});

// --- the address remembers: #open=enc1,dec4&select=enc1&theme=dark ---
function remember() {
  const parts = [];
  if (open.size) parts.push('open=' + [...open].map(i => encodeURIComponent(D.items[i].p)).join(','));
  if (selected >= 0) parts.push('select=' + encodeURIComponent(D.items[selected].p));
  try { history.replaceState(null, '', '#' + parts.join('&')); } catch (e) { /* a page without an address */ }
}
function recall() {
  for (const part of location.hash.slice(1).split('&')) {
    const [key, value = ''] = part.split('=');
    const items = value.split(',').map(v => { try { return byPath.get(decodeURIComponent(v)); } catch (e) { return undefined; } }).filter(i => i !== undefined);
    if (key === 'open') { open.clear(); items.forEach(i => [i, ...ancestors(i)].forEach(u => { if (D.items[u].a) open.add(u); })); }
    if (key === 'select' && items.length) [selected] = items;
    if (key === 'theme') theme(value === 'dark' ? 'dark' : 'light');
  }
}
recall();
render();
describe();
fit(false);
if (selected >= 0) reveal(selected);
let width = innerWidth;
addEventListener('resize', () => { if (innerWidth !== width) { width = innerWidth; fit(false); } });
