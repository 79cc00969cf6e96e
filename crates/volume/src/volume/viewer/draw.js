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

// The labels of a plane at the canvas's own pixels: the inside at `fill`, a line of `line` pixels at the edge. `inks` are 256 colours, or null.
function paint(pixels, width, height, bytes, s, inks, fill, line) {
  const column = Int32Array.from({ length: width }, (_, x) => Math.min(s.w - 1, Math.floor(x * s.w / width)) * s.right);
  const row = Int32Array.from({ length: height }, (_, y) => s.at + Math.min(s.h - 1, Math.floor(y * s.h / height)) * s.down);
  for (let y = 0; y < height; y++) {
    const up = row[Math.max(0, y - line)], below = row[Math.min(height - 1, y + line)];
    for (let x = 0; x < width; x++) {
      const own = bytes[row[y] + column[x]], ink = inks[own];
      if (!ink) continue;
      const left = column[Math.max(0, x - line)], right = column[Math.min(width - 1, x + line)];
      const edge = line > 0 && (bytes[row[y] + left] !== own || bytes[row[y] + right] !== own || bytes[up + column[x]] !== own || bytes[below + column[x]] !== own);
      const cover = edge ? 1 : fill;
      if (cover === 0) continue;
      const i = 4 * (y * width + x);
      for (let c = 0; c < 3; c++) pixels[i + c] += (ink[c] - pixels[i + c]) * cover;
    }
  }
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
