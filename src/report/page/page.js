'use strict';
const tip = document.getElementById('tip');
function theme() {
  const dark = matchMedia('(prefers-color-scheme: dark)').matches, now = document.documentElement.dataset.theme || (dark ? 'dark' : 'light');
  document.documentElement.dataset.theme = now === 'dark' ? 'light' : 'dark';
}
document.getElementById('theme').onclick = theme;
addEventListener('keydown', e => { if (e.key === 't' && !e.ctrlKey && !e.metaKey && !e.altKey) theme(); });

// The values of all curves at the place under the pointer.
function add(parent, kind, text, of) {
  const e = parent.appendChild(document.createElement(kind));
  if (text !== undefined) e.textContent = text;
  if (of) e.className = of;
  return e;
}
for (const chart of document.querySelectorAll('.chart')) {
  const data = JSON.parse(chart.dataset.curves), at = chart.querySelector('.at');
  const xs = [...new Set(data.curves.flatMap(c => c.x))].sort((a, b) => a - b);
  const hide = () => { tip.hidden = true; at.setAttribute('visibility', 'hidden'); };
  if (!xs.length) continue;
  chart.addEventListener('pointermove', e => {
    const box = chart.getBoundingClientRect(), view = chart.viewBox.baseVal;
    const part = ((e.clientX - box.left) / box.width * view.width - data.left) / (data.right - data.left);
    const want = data.low + part * (data.high - data.low);
    const x = xs.reduce((a, b) => Math.abs(b - want) < Math.abs(a - want) ? b : a);
    const place = data.high > data.low ? data.left + (x - data.low) / (data.high - data.low) * (data.right - data.left) : (data.left + data.right) / 2;
    at.setAttribute('x1', place);
    at.setAttribute('x2', place);
    at.setAttribute('visibility', 'visible');
    tip.textContent = '';
    add(add(tip, 'div'), 'b', 'epoch ' + x);
    for (const c of data.curves) {
      const i = c.x.indexOf(x);
      if (i < 0 || c.y[i] === null) continue;
      const row = add(tip, 'div'), name = add(row, 'span');
      add(name, 'i', undefined, 'c' + c.c);
      name.append(c.name);
      const v = c.y[i];
      add(row, 'b', v !== 0 && Math.abs(v) < 1e-3 ? v.toExponential(2) : v.toPrecision(4).replace(/\.?0+$/, ''));
    }
    tip.hidden = false;
    const right = e.clientX + 16 + tip.offsetWidth > innerWidth;
    tip.style.left = Math.max(8, right ? e.clientX - 16 - tip.offsetWidth : e.clientX + 16) + 'px';
    tip.style.top = Math.max(8, Math.min(e.clientY + 14, innerHeight - tip.offsetHeight - 8)) + 'px';
  });
  chart.addEventListener('pointerleave', hide);
  chart.addEventListener('pointercancel', hide);
}
