// Planes of a volume on canvases. The volume lies along NIfTI's axes, x fastest: x to the right, y to the front, z to the head.
'use strict';
const SIDES = [['R', 'L'], ['A', 'P'], ['S', 'I']];
// A plane: the axis that is fixed, the one to the right and the one down. Both are shown from their high end.
const PLANES = [
  { name: 'axial', fixed: 2, right: 0, down: 1 },
  { name: 'coronal', fixed: 1, right: 0, down: 2 },
  { name: 'sagittal', fixed: 0, right: 1, down: 2 },
];

// Unpacks base64 of gzip.
async function unpack(id) {
  const element = document.getElementById(id), text = element.textContent;
  element.remove();
  const bytes = Uint8Array.fromBase64 ? Uint8Array.fromBase64(text) : Uint8Array.from(atob(text), c => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

// Of each axis 1 / zoom is shown, from `start` on; 0 is its high end, which is on the left and above, 1 its low end.
const within = (start, zoom) => Math.max(0, Math.min(1 - 1 / zoom, start));
// Where an axis starts when it is zoomed from `zoom` to `to` and what lies at `hold` keeps its place on the screen.
const zoomed = (start, zoom, to, hold) => within(hold - (hold - start) * zoom / to, to);
// The middle of a voxel as a part of its axis.
const part = (size, at) => (size - at - 0.5) / size;
// The voxel at a part of its axis.
const voxelAt = (size, part) => Math.max(0, Math.min(size - 1, size - 1 - Math.floor(part * size)));

// The place in the array of a column and row of a plane is `at + column * right + row * down`.
function steps(size, plane, slice) {
  const stride = [1, size[0], size[0] * size[1]], [w, h] = [size[plane.right], size[plane.down]];
  return {
    w, h, right: -stride[plane.right], down: -stride[plane.down],
    at: slice * stride[plane.fixed] + (w - 1) * stride[plane.right] + (h - 1) * stride[plane.down],
  };
}

// The image of a plane, one pixel a voxel.
function grey(bytes, s, low, high) {
  const image = new ImageData(s.w, s.h), pixels = new Uint32Array(image.data.buffer), shades = new Uint32Array(256);
  for (let v = 0; v < 256; v++) {
    const g = Math.max(0, Math.min(255, Math.round(255 * (v - low) / Math.max(high - low, 1e-6))));
    shades[v] = (255 << 24 | g << 16 | g << 8 | g) >>> 0;
  }
  for (let y = 0, n = 0; y < s.h; y++) for (let x = 0, i = s.at + y * s.down; x < s.w; x++, i += s.right) pixels[n++] = shades[bytes[i]];
  return image;
}

// The labels of a plane at the canvas's own pixels: the inside at `fill`, a line of `line` pixels at the edge, and within that a dark one of `rim`.
// `inks` are 256 colours, or null; an ink with a `hatch` is drawn in lines of `line` pixels. `part` is what is shown of the plane: where its columns (`x`) and rows (`y`) start, and the zoom.
function paint(pixels, width, height, bytes, s, inks, fill, line, rim, part) {
  const index = (n, of, start, count) => Math.min(count - 1, Math.floor((start + n / of / part.zoom) * count));
  const column = Int32Array.from({ length: width }, (_, x) => index(x, width, part.x, s.w) * s.right);
  const row = Int32Array.from({ length: height }, (_, y) => s.at + index(y, height, part.y, s.h) * s.down);
  const edge = (x, y, own, far) => bytes[row[y] + column[Math.max(0, x - far)]] !== own || bytes[row[y] + column[Math.min(width - 1, x + far)]] !== own
    || bytes[row[Math.max(0, y - far)] + column[x]] !== own || bytes[row[Math.min(height - 1, y + far)] + column[x]] !== own;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const own = bytes[row[y] + column[x]], ink = inks[own];
      if (!ink) continue;
      const hatched = ink.hatch && ink.hatch !== 'none';
      const lined = line > 0 && edge(x, y, own, line), dark = !lined && rim > 0 && edge(x, y, own, line + rim);
      const cover = lined ? 1 : dark ? 0.75 : hatched ? (hatches(ink.hatch, x, y, line) ? Math.min(1, 2 * fill) : 0) : fill;
      if (cover === 0) continue;
      const i = 4 * (y * width + x);
      for (let c = 0; c < 3; c++) pixels[i + c] += ((dark ? 0 : ink[c]) - pixels[i + c]) * cover;
    }
  }
}

// Whether a pixel lies on a line of a hatch.
function hatches(hatch, x, y, line) {
  const period = 4 * line, on = n => (n % period + period) % period < line;
  return hatch === 'rising' ? on(x + y) : hatch === 'falling' ? on(x - y) : on(x + y) || on(x - y);
}

// A colour nearer to white: that of an outline over a filled label of the same class.
const pale = ink => ink && ink.map(c => Math.round(c + (255 - c) * 0.6));

// How a prediction differs from a reference at a voxel: 0 neither has a label, 1 both have the same, 2 only the prediction, 3 only the reference has
// one, 4 they have different ones.
const difference = (prediction, reference) => prediction === reference ? (prediction ? 1 : 0) : !reference ? 2 : !prediction ? 3 : 4;

// The same for a plane, one byte a voxel from its first row on. Classes that are hidden count as background.
function differences(prediction, reference, s, hidden) {
  const all = new Uint8Array(s.w * s.h), seen = v => hidden.has(v) ? 0 : v;
  for (let y = 0, n = 0; y < s.h; y++) for (let x = 0, i = s.at + y * s.down; x < s.w; x++, i += s.right) all[n++] = difference(seen(prediction[i]), seen(reference[i]));
  return all;
}

// Letters at the edges, white with a dark rim.
function letters(context, plane, width, height, size) {
  context.font = `600 ${size}px Helvetica, Arial, sans-serif`;
  context.textAlign = 'center';
  context.textBaseline = 'middle';
  context.lineWidth = size / 4;
  context.lineJoin = 'round';
  context.strokeStyle = '#000c';
  context.fillStyle = '#fff';
  const margin = size * 0.9, [right, down] = [SIDES[plane.right], SIDES[plane.down]];
  for (const [text, x, y] of [[down[0], width / 2, margin], [down[1], width / 2, height - margin], [right[0], margin, height / 2], [right[1], width - margin, height / 2]]) {
    context.strokeText(text, x, y);
    context.fillText(text, x, y);
  }
}

// The largest of 1, 2 or 5 times a power of ten mm that is at most `most`, with its name.
function roundLength(most) {
  const power = 10 ** Math.floor(Math.log10(most)), length = [5, 2, 1].map(n => n * power).find(n => n <= most) || power;
  return { length, text: length >= 10 ? `${length / 10} cm` : `${+length.toPrecision(1)} mm` };
}

// A length at the left bottom. `scale` is pixels in a mm.
function scaleBar(context, height, { length, text }, scale, size) {
  if (height < 6 * size) return;
  const y = height - size * 0.7, x = size * 0.7;
  context.fillStyle = '#000c';
  context.fillRect(x - 1, y - 1, length * scale + 2, size / 5 + 2);
  context.fillStyle = '#fff';
  context.fillRect(x, y, length * scale, size / 5);
  context.font = `${size * 0.85}px Helvetica, Arial, sans-serif`;
  context.textAlign = 'left';
  context.strokeText(text, x, y - size * 0.7);
  context.fillText(text, x, y - size * 0.7);
}
