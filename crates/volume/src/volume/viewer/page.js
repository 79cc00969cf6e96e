const $ = id => document.getElementById(id), data = JSON.parse($('data').textContent);
const make = (tag, fields, ...inside) => { const e = Object.assign(document.createElement(tag), fields); e.append(...inside); return e; };
// A number of about `digits` digits that count.
const shown = (v, digits = 4) => Math.abs(v) >= 1e6 || (v !== 0 && Math.abs(v) < 1e-3) ? v.toExponential(2) : String(+v.toPrecision(Math.max(digits, Math.ceil(Math.log10(Math.abs(v) + 1)))));
const state = { at: [...data.at], channel: 0, low: 0, high: 255, over: null, plane: 0, layers: data.layers.map(() => true), hidden: new Set(), zoom: 1, start: [0, 0, 0], errors: false };
let maps = [];

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
    if (e.deltaY === 0) return;
    e.preventDefault();
    // Two fingers on a touch pad that part come as a wheel with Ctrl.
    if (e.ctrlKey) zoomTo(state.zoom * Math.exp(-e.deltaY / 200), held(view, e));
    else move(plane.fixed, state.at[plane.fixed] + (e.deltaY > 0 ? -1 : 1));
  };
  let drag = null;
  const fingers = new Map();
  canvas.onpointerdown = e => {
    canvas.setPointerCapture(e.pointerId);
    canvas.focus({ preventScroll: true });
    fingers.set(e.pointerId, e);
    if (e.button === 1) e.preventDefault();
    drag = e.shiftKey ? { x: e.clientX, y: e.clientY, low: state.low, high: state.high } : { pan: e.altKey || e.button === 1 };
    point(e);
  };
  canvas.onpointerup = canvas.onpointercancel = e => { fingers.delete(e.pointerId); drag = null; };
  canvas.onpointerleave = () => { state.over = null; read(); };
  const point = e => {
    const at = voxel(view, e), before = fingers.get(e.pointerId);
    if (before) fingers.set(e.pointerId, e);
    if (fingers.size === 2 && before) {
      // Of two fingers the one that moves zooms by how far it is from the other, and pans by half of its way.
      const other = [...fingers.values()].find(f => f.pointerId !== e.pointerId), far = f => Math.max(8, Math.hypot(f.clientX - other.clientX, f.clientY - other.clientY));
      pan(view, (e.clientX - before.clientX) / 2, (e.clientY - before.clientY) / 2);
      zoomTo(state.zoom * far(e) / far(before), held(view, { clientX: (e.clientX + other.clientX) / 2, clientY: (e.clientY + other.clientY) / 2 }));
      return;
    }
    if (drag && drag.pan) {
      pan(view, e.clientX - before.clientX, e.clientY - before.clientY);
      return;
    }
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
  const at = [...state.at], parts = held(view, e);
  for (const axis of [view.plane.right, view.plane.down]) at[axis] = voxelAt(data.size[axis], parts[axis]);
  return at;
}

// The parts of the axes under the pointer; of the axis that is fixed, that of the slice.
function held(view, e) {
  const box = view.canvas.getBoundingClientRect(), parts = state.at.map((at, axis) => part(data.size[axis], at));
  parts[view.plane.right] = state.start[view.plane.right] + (e.clientX - box.left) / box.width / state.zoom;
  parts[view.plane.down] = state.start[view.plane.down] + (e.clientY - box.top) / box.height / state.zoom;
  return parts;
}

function move(axis, to) {
  state.at[axis] = Math.max(0, Math.min(data.size[axis] - 1, to));
  state.over = null;
  // What is shown goes along with the cross-hair.
  const at = part(data.size[axis], state.at[axis]) - state.start[axis];
  if (at < 0 || at > 1 / state.zoom) state.start[axis] = within(state.start[axis] + at - 0.5 / state.zoom, state.zoom);
  draw();
}

// --- zoom ---
// All planes at once; what lies at the parts `hold` of the axes, or else the cross-hair, keeps its place.
function zoomTo(to, hold = state.at.map((at, axis) => part(data.size[axis], at))) {
  to = Math.max(1, Math.min(16, to));
  state.start = state.start.map((start, axis) => zoomed(start, state.zoom, to, hold[axis]));
  state.zoom = to;
  $('zoom').value = Math.log2(to);
  $('zoomed').textContent = `${shown(to, 2)} x`;
  draw();
}

// By pixels of the page.
function pan(view, x, y) {
  const box = view.canvas.getBoundingClientRect();
  for (const [axis, by] of [[view.plane.right, x / box.width], [view.plane.down, y / box.height]]) state.start[axis] = within(state.start[axis] - by / state.zoom, state.zoom);
  draw();
}

// One scale for all planes, so that distances can be compared.
function layout() {
  const extent = data.size.map((n, a) => n * data.spacing[a]);
  const column = $('planes').firstElementChild.clientWidth, tallest = Math.max(160, innerHeight * 0.72);
  const scale = Math.min(column / Math.max(extent[0], extent[1]), tallest / Math.max(extent[1], extent[2])), dense = devicePixelRatio || 1;
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
  const shownPart = { x: state.start[plane.right], y: state.start[plane.down], zoom: state.zoom };
  context.drawImage(off, shownPart.x * s.w, shownPart.y * s.h, s.w / state.zoom, s.h / state.zoom, 0, 0, w, h);
  const inks = Array(256).fill(null), opacity = $('opacity').value / 100;
  for (const c of data.classes) if (!state.hidden.has(c.value)) inks[c.value] = rgb(c.colour);
  const image = context.getImageData(0, 0, w, h), thick = Math.max(1, Math.round((devicePixelRatio || 1) * 1.5));
  if (state.errors) {
    const flat = { w: s.w, h: s.h, at: 0, right: 1, down: s.w }, kinds = Array(256).fill(null);
    data.errors.forEach((kind, n) => { kinds[n + 1] = Object.assign(rgb(kind.colour), { hatch: kind.hatch }); });
    paint(image.data, w, h, differences(map('prediction'), map('reference'), s, state.hidden), flat, kinds, opacity, thick, 0, shownPart);
  } else {
    // The first map is filled. It has an edge too where no other is shown, whose outline it could be mistaken for; the others have pale, rimmed outlines.
    const alone = state.layers.filter(Boolean).length === 1;
    data.layers.forEach((_, n) => {
      if (!state.layers[n]) return;
      if (n === 0) paint(image.data, w, h, maps[data.channels.length], s, inks, opacity, alone && opacity > 0 ? thick : 0, 0, shownPart);
      else paint(image.data, w, h, maps[data.channels.length + n], s, inks.map(pale), 0, thick, alone ? 0 : Math.max(1, Math.round(thick / 2)), shownPart);
    });
  }
  context.putImageData(image, 0, 0);
  if ($('cross').checked) {
    const middle = (axis, length) => (part(data.size[axis], state.at[axis]) - state.start[axis]) * state.zoom * length, [x, y] = [middle(plane.right, w), middle(plane.down, h)];
    const gap = v.size, wide = Math.max(1, v.size / 12);
    context.fillStyle = '#ffd84dcc';
    for (const [left, top, width, height] of [[0, y, x - gap, wide], [x + gap, y, w - x - gap, wide], [x, 0, wide, y - gap], [x, y + gap, wide, h - y - gap]]) {
      if (width > 0 && height > 0) context.fillRect(left, top, width, height);
    }
  }
  letters(context, plane, w, h, v.size);
  const short = Math.min(data.size[0] * data.spacing[0], data.size[1] * data.spacing[1]) / state.zoom;
  scaleBar(context, h, roundLength(short / 4), v.scale * state.zoom, v.size);
  const at = world(state.at)[plane.fixed];
  v.place.textContent = `${'xyz'[plane.fixed]} ${at.toFixed(1)} mm, slice ${state.at[plane.fixed] + 1} of ${data.size[plane.fixed]}`;
  v.slider.value = state.at[plane.fixed];
}

const rgb = colour => [1, 3, 5].map(i => parseInt(colour.slice(i, i + 2), 16));
const map = name => maps[data.channels.length + data.layers.indexOf(name)];

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
  if (state.errors) {
    const seen = name => { const v = map(name)[index(at)]; return state.hidden.has(v) ? 0 : v; }, kind = data.errors[difference(seen('prediction'), seen('reference')) - 1];
    if (kind) $('labels').append(make('span', {}, `  ·  ${kind.name}`));
  }
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
$('zoom').oninput = () => zoomTo(2 ** $('zoom').value);
$('fit').onclick = () => zoomTo(1);
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
const comparable = ['prediction', 'reference'].every(name => data.layers.includes(name));
// Labels, or what is wrong with them.
function errors(on) {
  state.errors = on && comparable;
  $('show').value = state.errors ? 'errors' : 'labels';
  $('layers').hidden = state.errors;
  $('errors').hidden = !state.errors;
  draw();
}
$('mode').hidden = !comparable;
$('show').onchange = () => errors($('show').value === 'errors');
$('errors').append(...data.errors.map(kind => {
  const swatch = make('span', { className: 'swatch' });
  const lines = angle => `repeating-linear-gradient(${angle}deg, ${kind.colour} 0 1.5px, transparent 1.5px 4px)`;
  swatch.style.background = { rising: `${lines(-45)}, #333`, falling: `${lines(45)}, #333`, crossed: `${lines(-45)}, ${lines(45)}, #333` }[kind.hatch] || kind.colour;
  return make('span', { className: 'check' }, swatch, kind.name);
}));
$('layers').append(...data.layers.map((name, n) => check(true, on => { state.layers[n] = on; }, name, ...(several ? [make('small', { textContent: n ? 'pale outline' : 'filled' })] : []))));
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
  ({ t: () => theme(), r: reset, x: () => { $('cross').checked = !$('cross').checked; draw(); }, e: () => errors(!state.errors), '+': () => zoomTo(state.zoom * 1.25), '=': () => zoomTo(state.zoom * 1.25), '-': () => zoomTo(state.zoom / 1.25), 0: () => zoomTo(1) })[e.key]?.();
});
addEventListener('resize', layout);
document.title = $('title').textContent = data.title;
$('about').textContent = `${data.size.join(' x ')} voxels of ${data.spacing.map(s => shown(s, 3)).join(' x ')} mm (x, y, z). Not for diagnosis.`;
$('note').hidden = !data.note;
$('note').textContent = data.note || '';
$('opacity').oninput();
zoomTo(1);
errors(data.begin_with_errors);
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
