const $ = id => document.getElementById(id), data = JSON.parse($('data').textContent);
const make = (tag, fields, ...inside) => { const e = Object.assign(document.createElement(tag), fields); e.append(...inside); return e; };
// A number of about `digits` digits that count.
const shown = (v, digits = 4) => Math.abs(v) >= 1e6 || (v !== 0 && Math.abs(v) < 1e-3) ? v.toExponential(2) : String(+v.toPrecision(Math.max(digits, Math.ceil(Math.log10(Math.abs(v) + 1)))));
const state = { at: [...data.at], channel: 0, low: 0, high: 255, over: null, plane: 0, layers: data.layers.map(() => true), hidden: new Set() };
let maps = [], bar = null;

// --- planes ---
const views = PLANES.map((plane, n) => {
  const canvas = make('canvas', { tabIndex: 0 }), place = make('span'), off = document.createElement('canvas');
  canvas.setAttribute('aria-label', `${plane.name} plane`);
  canvas.setAttribute('role', 'img');
  const slider = make('input', { type: 'range', min: 0, max: data.size[plane.fixed] - 1, step: 1 });
  slider.setAttribute('aria-label', `slice of the ${plane.name} plane`);
  slider.oninput = () => move(plane.fixed, +slider.value);
  $('planes').append(make('figure', {}, make('figcaption', {}, make('b', { textContent: plane.name }), place), make('div', { className: 'stage' }, canvas), slider));
  const view = { plane, canvas, slider, place, off, n };
  canvas.onwheel = e => {
    if (e.ctrlKey || e.deltaY === 0) return;
    e.preventDefault();
    move(plane.fixed, state.at[plane.fixed] + (e.deltaY > 0 ? -1 : 1));
  };
  let drag = null;
  canvas.onpointerdown = e => {
    canvas.setPointerCapture(e.pointerId);
    canvas.focus({ preventScroll: true });
    drag = e.shiftKey ? { x: e.clientX, y: e.clientY, low: state.low, high: state.high } : {};
    point(e);
  };
  canvas.onpointerup = canvas.onpointercancel = () => { drag = null; };
  canvas.onpointerleave = () => { state.over = null; read(); };
  const point = e => {
    const at = voxel(view, e);
    state.over = at;
    if (drag && drag.low !== undefined) {
      const level = (drag.low + drag.high) / 2 + (e.clientY - drag.y) / 2, width = Math.max(1, drag.high - drag.low + (e.clientX - drag.x));
      window_(level - width / 2, level + width / 2);
    } else if (drag) {
      state.at = at;
      draw();
    } else read();
  };
  canvas.onpointermove = point;
  canvas.onkeydown = e => {
    const step = { ArrowLeft: [plane.right, 1], ArrowRight: [plane.right, -1], ArrowUp: [plane.down, 1], ArrowDown: [plane.down, -1], PageUp: [plane.fixed, 1], PageDown: [plane.fixed, -1] }[e.key];
    if (!step) return;
    e.preventDefault();
    move(step[0], state.at[step[0]] + step[1]);
  };
  return view;
});

// The voxel under the pointer, x y z.
function voxel(view, e) {
  const box = view.canvas.getBoundingClientRect(), at = [...state.at];
  const index = (part, axis) => Math.max(0, Math.min(data.size[axis] - 1, data.size[axis] - 1 - Math.floor(part * data.size[axis])));
  at[view.plane.right] = index((e.clientX - box.left) / box.width, view.plane.right);
  at[view.plane.down] = index((e.clientY - box.top) / box.height, view.plane.down);
  return at;
}

function move(axis, to) {
  state.at[axis] = Math.max(0, Math.min(data.size[axis] - 1, to));
  state.over = null;
  draw();
}

// One scale for all planes, so that distances can be compared.
function layout() {
  const extent = data.size.map((n, a) => n * data.spacing[a]);
  const column = $('planes').firstElementChild.clientWidth, tallest = Math.max(160, innerHeight * 0.72);
  const scale = Math.min(column / Math.max(extent[0], extent[1]), tallest / Math.max(extent[1], extent[2])), dense = devicePixelRatio || 1;
  bar = roundLength(Math.min(extent[0], extent[1]) / 4);
  for (const v of views) {
    const [w, h] = [extent[v.plane.right] * scale, extent[v.plane.down] * scale].map(n => Math.max(1, n));
    [v.canvas.style.width, v.canvas.style.height] = [`${w}px`, `${h}px`];
    [v.canvas.width, v.canvas.height] = [w, h].map(n => Math.max(1, Math.round(n * dense)));
    v.scale = scale * dense;
    v.size = 12 * dense;
  }
  draw();
}

let waiting = false;
function draw() {
  if (waiting || !maps.length) return;
  waiting = true;
  requestAnimationFrame(() => { waiting = false; views.forEach(show); read(); });
}

function show(v) {
  const { plane, canvas, off } = v, context = canvas.getContext('2d', { willReadFrequently: true }), [w, h] = [canvas.width, canvas.height];
  const s = steps(data.size, plane, state.at[plane.fixed]);
  [off.width, off.height] = [s.w, s.h];
  off.getContext('2d').putImageData(grey(maps[state.channel], s, state.low, state.high), 0, 0);
  context.imageSmoothingQuality = 'high';
  context.drawImage(off, 0, 0, w, h);
  const inks = Array(256).fill(null), opacity = $('opacity').value / 100;
  for (const c of data.classes) if (!state.hidden.has(c.value)) inks[c.value] = [1, 3, 5].map(i => parseInt(c.colour.slice(i, i + 2), 16));
  const image = context.getImageData(0, 0, w, h), thick = Math.max(1, Math.round((devicePixelRatio || 1) * 1.5));
  // The first map is filled. It has an edge too where no other is shown, whose outline it could be mistaken for.
  const alone = state.layers.filter(Boolean).length === 1;
  data.layers.forEach((_, n) => {
    if (state.layers[n]) paint(image.data, w, h, maps[data.channels.length + n], s, inks, n === 0 ? opacity : 0, n > 0 || (alone && opacity > 0) ? thick : 0);
  });
  context.putImageData(image, 0, 0);
  if ($('cross').checked) {
    const middle = (axis, length) => (data.size[axis] - state.at[axis] - 0.5) / data.size[axis] * length, [x, y] = [middle(plane.right, w), middle(plane.down, h)];
    const gap = v.size, wide = Math.max(1, v.size / 12);
    context.fillStyle = '#ffd84dcc';
    for (const [left, top, width, height] of [[0, y, x - gap, wide], [x + gap, y, w - x - gap, wide], [x, 0, wide, y - gap], [x, y + gap, wide, h - y - gap]]) {
      if (width > 0 && height > 0) context.fillRect(left, top, width, height);
    }
  }
  letters(context, plane, w, h, v.size);
  scaleBar(context, h, bar, v.scale, v.size);
  const at = world(state.at)[plane.fixed];
  v.place.textContent = `${'xyz'[plane.fixed]} ${at.toFixed(1)} mm, slice ${state.at[plane.fixed] + 1} of ${data.size[plane.fixed]}`;
  v.slider.value = state.at[plane.fixed];
}

// --- what is under the pointer ---
const world = at => [0, 1, 2].map(r => data.affine[r][0] * at[0] + data.affine[r][1] * at[1] + data.affine[r][2] * at[2] + data.affine[r][3]);
const index = at => at[0] + data.size[0] * (at[1] + data.size[1] * at[2]);

function read() {
  if (!maps.length) return;
  const at = state.over || state.at, c = data.channels[state.channel], byte = maps[state.channel][index(at)], value = c.low + c.step * byte;
  const [x, y, z] = world(at).map(v => v.toFixed(1));
  $('mm').textContent = `x ${x}, y ${y}, z ${z} mm`;
  $('ijk').textContent = `voxel ${data.voxels.map(([axis, turned, n, by]) => Math.max(0, turned ? n - 1 - at[axis] * by : at[axis] * by)).join(', ')}`;
  const about = c.exact ? '' : byte === 0 ? '≤ ' : byte === 255 ? '≥ ' : '≈ ';
  $('value').textContent = `${data.channels.length > 1 ? c.name : 'value'} ${about}${shown(value)}`;
  $('labels').replaceChildren(...data.layers.flatMap((name, n) => {
    const label = maps[data.channels.length + n][index(at)], known = data.classes.find(k => k.value === label);
    const swatch = known ? [make('i', {})] : [];
    swatch.forEach(s => { s.style.background = known.colour; });
    return [make('span', {}, `${n ? '  ·  ' : ''}${name}: `, ...swatch, known ? known.name : label === 0 ? 'background' : String(label))];
  }));
}

// --- window and level, in intensities ---
function window_(low, high) {
  [state.low, state.high] = [low, high];
  const c = data.channels[state.channel], level = (low + high) / 2;
  $('level').value = level;
  $('width').value = high - low;
  $('levelled').textContent = shown(c.low + c.step * level, 3);
  $('widened').textContent = shown(c.step * (high - low), 3);
  draw();
}
Object.assign($('level'), { min: 0, max: 255 });
Object.assign($('width'), { min: 1, max: 510 });
$('level').oninput = $('width').oninput = () => { const [l, w] = [+$('level').value, +$('width').value]; window_(l - w / 2, l + w / 2); };
const reset = () => window_(...data.channels[state.channel].window);
$('reset').onclick = reset;
$('cross').onchange = draw;
$('opacity').oninput = () => { $('opaque').textContent = `${$('opacity').value} %`; draw(); };
$('channel').append(...data.channels.map((c, n) => make('option', { value: n, textContent: c.name })));
$('channel').onchange = () => { state.channel = +$('channel').value; reset(); };
$('pick').hidden = data.channels.length < 2;

// --- legend ---
const check = (on, changed, ...inside) => {
  const box = make('input', { type: 'checkbox', checked: on });
  box.onchange = () => { changed(box.checked); draw(); };
  return make('label', { className: 'check' }, box, ...inside);
};
$('labelled').hidden = !data.layers.length;
const several = data.layers.length > 1;
$('layers').append(...data.layers.map((name, n) => check(true, on => { state.layers[n] = on; }, name, ...(several ? [make('small', { textContent: n ? 'outlined' : 'filled' })] : []))));
$('classes').append(...data.classes.map(c => {
  const swatch = make('span', { className: 'swatch' });
  swatch.style.background = c.colour;
  return check(true, on => { on ? state.hidden.delete(c.value) : state.hidden.add(c.value); }, swatch, c.name);
}));

// --- the page ---
function theme(to) {
  const dark = matchMedia('(prefers-color-scheme: dark)').matches, now = document.documentElement.dataset.theme || (dark ? 'dark' : 'light');
  document.documentElement.dataset.theme = to || (now === 'dark' ? 'light' : 'dark');
}
$('theme').onclick = () => theme();
addEventListener('keydown', e => {
  if (e.ctrlKey || e.metaKey || e.altKey || e.target.matches?.('select')) return;
  ({ t: () => theme(), r: reset, x: () => { $('cross').checked = !$('cross').checked; draw(); } })[e.key]?.();
});
addEventListener('resize', layout);
document.title = $('title').textContent = data.title;
$('about').textContent = `${data.size.join(' x ')} voxels of ${data.spacing.map(s => shown(s, 3)).join(' x ')} mm (x, y, z). Not for diagnosis.`;
$('note').hidden = !data.note;
$('note').textContent = data.note || '';
$('opacity').oninput();
(async () => {
  try {
    const all = [];
    for (let n = 0; n < data.channels.length + data.layers.length; n++) all.push(await unpack(`part${n}`));
    maps = all;
  } catch (e) {
    $('note').hidden = false;
    $('note').textContent = `The volume in this page cannot be unpacked (${e.message || e}). A browser of 2023 or newer is needed.`;
    return;
  }
  reset();
  layout();
})();
