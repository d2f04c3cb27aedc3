'use strict';
/* All text reaches the page through textContent: values of the system under test are never markup. */
const D = JSON.parse(document.getElementById('report-data').textContent);
const NS = 'http://www.w3.org/2000/svg',
  C = D.charts,
  $ = (id) => document.getElementById(id);
const put = (e, at, kids) => {
  for (const k in at) if (at[k] != null) e.setAttribute(k, at[k]);
  for (const k of kids) if (k != null) e.append(k);
  return e;
};
const S = (tag, at = {}, ...kids) => put(document.createElementNS(NS, tag), at, kids);
const H = (tag, at = {}, ...kids) => put(document.createElement(tag), at, kids);
const T = (x, y, text, at = {}) => S('text', { x, y, ...at }, text);
const sec = (t, d = 3) => t.toFixed(d) + ' s';
const ms = (v) =>
  v == null
    ? '–'
    : v >= 1000
      ? (v / 1000).toFixed(2) + ' s'
      : (v < 10 ? +v.toPrecision(2) : Math.round(v)) + ' ms';
const OUT = ['ok', 'fail', 'info'],
  COL = { ok: 'var(--ok)', fail: 'var(--fail)', info: 'var(--info)' };
/* One shape per outcome, everywhere: dot = ok, triangle = fail, cross = info, octagon with a cross = impossible. */
function glyph(kind, x, y, r = 4) {
  if (kind === 'ok') return S('circle', { cx: x, cy: y, r: r * 0.75, fill: 'var(--ok)' });
  if (kind === 'fail')
    return S('path', {
      d: `M${x - r} ${y + r * 0.8}L${x} ${y - r}L${x + r} ${y + r * 0.8}Z`,
      fill: 'none',
      stroke: 'var(--fail)',
      'stroke-width': 1.6,
    });
  if (kind === 'info')
    return S('path', {
      d: `M${x - r} ${y - r}l${2 * r} ${2 * r}m0 ${-2 * r}l${-2 * r} ${2 * r}`,
      stroke: 'var(--info)',
      'stroke-width': 1.8,
      fill: 'none',
    });
  const a = r * 0.41,
    p = [
      [-a, -r],
      [a, -r],
      [r, -a],
      [r, a],
      [a, r],
      [-a, r],
      [-r, a],
      [-r, -a],
    ]
      .map((q) => x + q[0] + ',' + (y + q[1]))
      .join(' ');
  return S(
    'g',
    {},
    S('polygon', { points: p, fill: 'var(--bad)' }),
    S('path', {
      d: `M${x - r * 0.42} ${y - r * 0.42}l${r * 0.84} ${r * 0.84}m0 ${-r * 0.84}l${-r * 0.84} ${r * 0.84}`,
      stroke: 'var(--on-bad)',
      'stroke-width': Math.max(1.6, r * 0.22),
      fill: 'none',
    }),
  );
}
/* A viewBox on every figure, so that print can scale what it has no time to redraw. */
const scale = (box) => {
  for (const s of box.querySelectorAll('svg[role][width]'))
    s.setAttribute('viewBox', `0 0 ${s.getAttribute('width')} ${s.getAttribute('height')}`);
};
function responsive(box, drawOnce) {
  let w = 0;
  const draw = (n) => {
    drawOnce(n);
    scale(box);
  };
  if (box.classList.contains('mini')) {
    addEventListener('beforeprint', () => draw(290));
    addEventListener('afterprint', () => draw(w));
  }
  new ResizeObserver(() => {
    const n = Math.floor(box.clientWidth);
    if (n && n !== w) {
      w = n;
      draw(n);
    }
  }).observe(box);
  draw((w = Math.floor(box.clientWidth)));
}
/* The window of a fault: filled if it was proven, dashed otherwise. */
const band = (f, x, y, width, height, more = {}) =>
  S('rect', {
    x,
    y,
    width: Math.max(1, width),
    height,
    fill: f.proven ? 'var(--band)' : 'none',
    stroke: f.proven ? null : 'var(--band-line)',
    'stroke-dasharray': '3 3',
    ...more,
  });

/* The run at a glance: the answered share of what was offered, the faults, the violations. */
function glance(box) {
  responsive(box, (W) => {
    const h = 46,
      x = (t) => (t / C.to_s) * (W - 1),
      y0 = 24,
      v = C.throughput;
    const g = S('svg', {
      width: W,
      height: h + 20,
      role: 'img',
      'aria-label': `The run at a glance: answered share of the offered load, ${D.faults.length} faults, ${D.violations.length} violations`,
    });
    let free = -1;
    for (const f of D.faults) {
      g.append(band(f, x(f.start_s), y0 - 4, x(f.stop_s) - x(f.start_s), h - y0 + 4));
      const at = x(f.start_s) + 2,
        long = f.id + ' ' + f.name,
        room = W < 560 || x(f.stop_s) - at < long.length * 6.5 ? f.id : long;
      if (at > free) {
        g.append(T(at, h + 14, room, { class: 'mu' }));
        free = at + room.length * 6.5;
      }
    }
    let d = `M0 ${h}`;
    v.ok.forEach((o, i) => {
      const y = h - (h - y0) * (v.offered[i] ? Math.min(1, o / v.offered[i]) : 0);
      d += `L${x(i * v.step_s)} ${y}L${x((i + 1) * v.step_s)} ${y}`;
    });
    g.append(
      S('path', { d: d + `L${x(v.ok.length * v.step_s)} ${h}Z`, fill: 'var(--okfill)' }),
      S('path', {
        d: d.replace(/^M0 \d+L/, 'M'),
        fill: 'none',
        stroke: 'var(--ok)',
        'stroke-width': 1.2,
      }),
    );
    g.append(S('line', { x1: 0, x2: W, y1: h, y2: h, stroke: 'var(--line)' }));
    const near = [];
    for (const v of D.violations) {
      const last = near.at(-1);
      if (last && Math.abs(x(v.at_s) - x(last.at)) < 70) last.ids.push(v.id);
      else near.push({ at: v.at_s, ids: [v.id] });
    }
    for (const { at, ids } of near) {
      const text = `${ids.length > 3 ? ids.length + ' violations' : ids.join(' ')} at ${at.toFixed(1)} s`,
        right = x(at) + 13 + text.length * 7 < W;
      g.append(
        S('line', {
          x1: x(at),
          x2: x(at),
          y1: 16,
          y2: h,
          stroke: 'var(--bad)',
          'stroke-width': 1.5,
        }),
        glyph('bad', x(at), 9, 8),
        T(x(at) + (right ? 13 : -13), 13, text, {
          'text-anchor': right ? 'start' : 'end',
          style: 'fill:var(--bad);font-weight:700',
        }),
      );
    }
    if (!near.length || x(near[0].at) > 100) g.append(T(0, 13, 'ok / offered', { class: 'mu' }));
    if (D.run.torn)
      g.append(
        S('line', { x1: W - 1, x2: W - 1, y1: 0, y2: h, stroke: 'var(--text)', 'stroke-width': 2 }),
        T(W - 6, 13, 'recording ends here', { 'text-anchor': 'end', class: 'halo' }),
      );
    box.replaceChildren(g);
  });
}
