// As much of a browser as the pages need: elements that hold what they are given, and canvases that hold pixels.
'use strict';
const listeners = {}, frames = [], byId = new Map();
globalThis.innerWidth = 1200;
globalThis.innerHeight = 900;
globalThis.devicePixelRatio = 1;
globalThis.location = { hash: '' };
globalThis.history = { replaceState: (state, title, address) => { location.hash = address; } };
globalThis.matchMedia = () => ({ matches: false });
globalThis.addEventListener = (type, f) => { (listeners[type] ||= []).push(f); };
globalThis.requestAnimationFrame = f => { frames.push(f); };
// Runs what waits for the next frame.
globalThis.frame = () => { while (frames.length) frames.shift()(); };
globalThis.fire = (type, event) => { for (const f of listeners[type] || []) f({ type, target: document.body, preventDefault() {}, ...event }); };

class ClassList {
  constructor(element) { this.element = element; }
  get all() { return new Set((this.element.className || '').split(' ').filter(Boolean)); }
  set(all) { this.element.className = [...all].join(' '); }
  add(...names) { this.set([...this.all, ...names]); }
  remove(...names) { this.set([...this.all].filter(n => !names.includes(n))); }
  contains(name) { return this.all.has(name); }
  toggle(name, on) { on ?? !this.contains(name) ? this.add(name) : this.remove(name); }
}

globalThis.ImageData = class {
  constructor(width, height) { Object.assign(this, { width, height, data: new Uint8ClampedArray(4 * width * height) }); }
};

// Pixels are drawn as nearest neighbours; lines and letters are not.
class Pixels {
  constructor(canvas) { this.canvas = canvas; this.image = new ImageData(canvas.width, canvas.height); }
  fit() { if (this.image.width !== this.canvas.width || this.image.height !== this.canvas.height) this.image = new ImageData(this.canvas.width, this.canvas.height); }
  putImageData(image) { this.fit(); this.image.data.set(image.data); }
  getImageData() { this.fit(); const copy = new ImageData(this.canvas.width, this.canvas.height); copy.data.set(this.image.data); return copy; }
  drawImage(from, sx, sy, sw, sh, x, y, w, h) {
    this.fit();
    const source = from.getContext('2d').image;
    for (let row = 0; row < h; row++) for (let column = 0; column < w; column++) {
      const [r, c] = [Math.min(source.height - 1, Math.floor(sy + (row + 0.5) / h * sh)), Math.min(source.width - 1, Math.floor(sx + (column + 0.5) / w * sw))];
      for (let i = 0; i < 4; i++) this.image.data[4 * (row * w + column) + i] = source.data[4 * (r * source.width + c) + i];
    }
  }
  fillRect() {}
  strokeText() {}
  fillText() {}
}

class Element {
  constructor(tag) { Object.assign(this, { tag, children: [], dataset: {}, style: {}, attributes: {}, text: '', value: '', className: '', width: 300, height: 150, clientWidth: 300, handlers: {} }); this.classList = new ClassList(this); }
  get textContent() { return this.text + this.children.map(c => c.textContent).join(''); }
  set textContent(text) { this.text = String(text); this.children = []; }
  get firstElementChild() { return this.children[0]; }
  append(...all) { for (const one of all) this.appendChild(one instanceof Element ? one : Object.assign(new Element('#text'), { text: String(one) })); }
  appendChild(one) { this.children.push(one); one.parent = this; return one; }
  replaceChildren(...all) { this.children = []; this.append(...all); }
  remove() { if (this.parent) this.parent.children = this.parent.children.filter(c => c !== this); }
  setAttribute(name, value) { this.attributes[name] = String(value); if (name === 'class') this.className = String(value); if (name.startsWith('data-')) this.dataset[name.slice(5)] = String(value); }
  getAttribute(name) { return this.attributes[name]; }
  addEventListener(type, f) { (this.handlers[type] ||= []).push(f); }
  fire(type, event = {}) { const e = { type, target: this, pointerId: 1, button: 0, preventDefault() {}, ...event }; this[`on${type}`]?.(e); for (const f of this.handlers[type] || []) f(e); }
  click() { this.fire('click'); }
  focus() {}
  blur() {}
  setPointerCapture() {}
  matches(selector) { return this.tag === selector; }
  closest() { return this.dataset.i === undefined ? this.parent?.closest?.() ?? null : this; }
  get below() { return this.children.flatMap(c => [c, ...c.below]); }
  querySelectorAll(selector) { const names = selector.split(',').map(s => s.replace('.', '')); return this.below.filter(e => names.some(n => e.classList.contains(n) || e.tag === n)); }
  querySelector(selector) { return this.querySelectorAll(selector)[0]; }
  getBoundingClientRect() { const size = n => parseFloat(this.style[n]) || (n === 'width' ? 1000 : 700); return { left: 0, top: 0, width: size('width'), height: size('height') }; }
  getContext() { return this.pixels ||= new Pixels(this); }
}
globalThis.document = {
  documentElement: new Element('html'), body: new Element('body'), title: '',
  createElement: tag => new Element(tag), createElementNS: (space, tag) => new Element(tag),
  getElementById: id => { if (!byId.has(id)) byId.set(id, new Element(id)); return byId.get(id); },
  querySelectorAll: selector => document.body.querySelectorAll(selector),
};

// Volumes are unpacked outside: a part's text is the place of its bytes in PARTS.
globalThis.atob = text => text;
// Parts are named by their numbers here, which are no base64.
Uint8Array.fromBase64 = undefined;
globalThis.Blob = class { constructor([bytes]) { this.bytes = bytes; } stream() { return { pipeThrough: () => this.bytes }; } };
globalThis.DecompressionStream = class {};
globalThis.Response = class { constructor(bytes) { this.at = +String.fromCharCode(...bytes); } async arrayBuffer() { return Uint8Array.from(PARTS[this.at]).buffer; } };
