/* Panels on one time axis: one left gutter, one right gutter, one cursor. */
function charts(root) {
  const O = C.operations,
    n = O.due_delta_ms.length,
    ot = new Float64Array(n);
  let acc = 0;
  for (let i = 0; i < n; i++) ot[i] = (acc += O.due_delta_ms[i]) / 1000;
  const at = root.querySelector('.at'),
    live = $('live'),
    stack = root.querySelector('.stack'),
    nodes = D.run.nodes;
  let A = C.from_s,
    B = C.to_s,
    cross = null,
    W = 0;
  const bucket = (o, t) => Math.floor(t / o.step_s),
    vlines = D.violations.map((v) => [v.id, v.at_s]).filter((v) => v[1] <= C.to_s);
  const log = (lo, hi, h) => (v) =>
    h -
    ((Math.log10(Math.max(lo, Math.min(hi, v))) - Math.log10(lo)) /
      (Math.log10(hi) - Math.log10(lo))) *
      h;
  const stepPath = (vals, st, x, y) => {
    let d = '',
      up = false;
    vals.forEach((v, i) => {
      if (v == null) {
        up = false;
        return;
      }
      d += `${up ? 'L' : 'M'}${x(i * st).toFixed(1)} ${y(v).toFixed(1)}L${x((i + 1) * st).toFixed(1)} ${y(v).toFixed(1)}`;
      up = true;
    });
    return d;
  };
  const sw = (k) =>
    k === 'offered'
      ? S(
          'svg',
          { width: 14, height: 12 },
          S('path', { d: 'M0 6H14', stroke: 'var(--text)', 'stroke-dasharray': '4 2' }),
        )
      : S('svg', { width: 14, height: 12 }, glyph(k, 7, 6, 4));
  const grid = (g, y, w, values, label) => {
    for (const v of values)
      g.append(
        S('line', { x1: 0, x2: w, y1: y(v), y2: y(v), stroke: 'var(--line)' }),
        T(-6, y(v) + 4, label(v), { 'text-anchor': 'end', class: 'mu' }),
      );
  };
  const latency = (v) => (v >= 1000 ? v / 1000 + ' s' : v + ' ms'),
    top = C.quantiles.max.some((v) => v > 2000) ? 20000 : 2000;
  const nice = (hi, count) => {
    const raw = hi / count,
      p = 10 ** Math.floor(Math.log10(raw)),
      st = [1, 2, 5, 10].map((m) => m * p).find((s) => s >= raw);
    const out = [];
    for (let v = 0; v <= hi * 1.0001; v += st) out.push(v);
    return out;
  };
  const short = (v) => (v >= 1e6 ? v / 1e6 + 'M' : v >= 1e3 ? v / 1e3 + 'k' : v);
  const window_ = (t) => {
    const c = [0, 0, 0];
    for (let i = 0; i < n; i++) if (Math.abs(ot[i] - t) <= 0.25) c[+O.outcome[i]]++;
    for (const k of O.columns) if (Math.abs(k.at_s - t) <= 0.25) c[k.outcome] += k.count;
    return c;
  };
  const all = [];
  if (D.faults.length)
    all.push({
      t: 'Faults',
      plain: true,
      h: 24 * lanes().length,
      draw(g, x) {
        lanes().forEach((lane, i) => {
          for (const f of lane) {
            const a = x(f.start_s),
              w = x(f.stop_s) - a,
              l = w > 92 ? f.id + ' ' + f.name : f.id;
            g.append(
              band(f, a, 2 + i * 24, w, 20, {
                stroke: 'var(--band-line)',
                'stroke-dasharray': f.proven ? 'none' : '3 3',
              }),
              T(a + 4, 16 + i * 24, l),
            );
          }
        });
      },
      read: (t) => {
        const f = D.faults.filter((f) => t >= f.start_s && t < f.stop_s);
        return [
          [
            null,
            t == null
              ? 'filled: proven by its probe; dashed: unproven'
              : f.length
                ? f
                    .map((f) => `${f.id} ${f.name}, ${f.detail}${f.proven ? '' : ' (unproven)'}`)
                    .join('; ')
                : 'none',
          ],
        ];
      },
    });
  function lanes() {
    const out = [];
    for (const f of D.faults) {
      const lane = out.find((l) => l.at(-1).stop_s <= f.start_s);
      if (lane) lane.push(f);
      else out.push([f]);
    }
    return out;
  }
  all.push({
    t:
      'Latency from the intended start' +
      (O.sampled ? ' (columns: min to max light, p50 to p99 dark)' : ''),
    h: 220,
    draw(g, x, w, h) {
      const y = log(0.1, top, h),
        d = ['', '', ''];
      grid(g, y, w, [0.1, 1, 10, 100, 1000].concat(top > 2000 ? [10000] : []), latency);
      for (const k of O.columns) {
        if (k.at_s < A || k.at_s > B) continue;
        const X = x(k.at_s),
          c = COL[OUT[k.outcome]];
        g.append(
          S('path', { d: `M${X} ${y(k.min)}V${y(k.max) - 0.5}`, stroke: c, opacity: 0.3 }),
          S('path', {
            d: `M${X} ${y(k.p50)}V${y(k.p99) - 0.5}`,
            stroke: c,
            'stroke-width': 1.4,
            opacity: 0.8,
          }),
        );
      }
      for (let i = 0; i < n; i++) {
        if (ot[i] < A || ot[i] > B) continue;
        const k = +O.outcome[i],
          X = x(ot[i]).toFixed(1),
          Y = y(O.latency_us[i] / 1000).toFixed(1);
        d[k] +=
          k === 0
            ? `M${X} ${Y}h.01`
            : k === 1
              ? `M${X - 3} ${+Y + 2.4}l3 -5.4l3 5.4z`
              : `M${X - 3} ${Y - 3}l6 6m0 -6l-6 6`;
      }
      g.append(
        S('path', {
          d: d[0],
          stroke: 'var(--ok)',
          'stroke-width': 2.4,
          'stroke-linecap': 'round',
          opacity: 0.5,
        }),
        S('path', { d: d[1], stroke: 'var(--fail)', fill: 'none', 'stroke-width': 1.1 }),
        S('path', { d: d[2], stroke: 'var(--info)', fill: 'none', 'stroke-width': 1.5 }),
      );
    },
    read: (t) => {
      const c = t == null ? null : window_(t);
      return OUT.map((k, i) => [k, `${k} ${c ? c[i] : O.counts[k].toLocaleString('en')}`]).concat([
        [null, c ? 'within ± 0.25 s' : 'operations'],
      ]);
    },
  });
  all.push({
    t: 'Latency of ok',
    h: 130,
    draw(g, x, w, h, s) {
      const y = log(0.1, top, h),
        q = C.quantiles;
      grid(g, y, w, [0.1, 1, 10, 100, 1000].concat(top > 2000 ? [10000] : []), latency);
      [
        ['max', '1 3', 1.2],
        ['p99', null, 2],
        ['p90', '5 3', 1.5],
        ['p50', null, 1.1],
      ].forEach(([k, dash, width]) =>
        g.append(
          S('path', {
            d: stepPath(q[k], q.step_s, x, y),
            fill: 'none',
            stroke: k === 'p99' ? 'var(--ok)' : 'var(--text)',
            'stroke-width': width,
            'stroke-dasharray': dash,
          }),
        ),
      );
      let ly = -99;
      ['max', 'p99', 'p90', 'p50'].forEach((k) => {
        const i = Math.min(q.p50.length - 1, bucket(q, B - 1e-9)),
          v = q[k][i];
        if (v == null) return;
        ly = Math.max(y(v) + 4, ly + 13);
        s.append(T(w + 6, ly, k, { style: k === 'p99' ? 'fill:var(--ok);font-weight:700' : null }));
      });
    },
    read: (t) =>
      ['p50', 'p90', 'p99', 'max']
        .map((k) => [null, `${k} ${t == null ? '' : ms(C.quantiles[k][bucket(C.quantiles, t)])}`])
        .concat(t == null ? [[null, `in windows of ${C.quantiles.step_s} s`]] : []),
  });
  all.push({
    t: 'Throughput',
    h: 110,
    draw(g, x, w, h) {
      const q = C.throughput,
        ticks = nice(Math.max(1, ...q.offered), 3),
        hi = Math.max(ticks.at(-1), ...q.offered) * 1.06,
        y = (v) => h - (v / hi) * h;
      grid(g, y, w, ticks, (v) => short(v) + (v === ticks.at(-1) ? '/s' : ''));
      q.ok.forEach((_, i) => {
        const a = x(i * q.step_s),
          wd = Math.max(0.5, x((i + 1) * q.step_s) - a - (x(1) - x(0) > 14 ? 1 : 0));
        let b = 0;
        OUT.forEach((k) => {
          const v = q[k][i];
          if (!v) return;
          const rect = { x: a, y: y(b + v), width: wd, height: y(b) - y(b + v) };
          g.append(
            k === 'ok'
              ? S('rect', { ...rect, fill: 'var(--ok)', opacity: 0.55 })
              : S('rect', { ...rect, fill: `url(#h-${k})`, stroke: COL[k], 'stroke-width': 0.6 }),
          );
          b += v;
        });
      });
      g.append(
        S('path', {
          d: stepPath(q.offered, q.step_s, x, y),
          fill: 'none',
          stroke: 'var(--text)',
          'stroke-dasharray': '4 2',
        }),
      );
    },
    read: (t) => {
      const q = C.throughput,
        i = t == null ? 0 : bucket(q, t),
        tot = t == null;
      return [
        ...OUT.map((k) => [k, k + (tot ? '' : ` ${q[k][i] ?? '–'}/s`)]),
        [
          'offered',
          'offered' +
            (tot ? (O.shed ? '; the gap below it was shed' : '') : ` ${q.offered[i] ?? '–'}/s`),
        ],
      ];
    },
  });
  if (nodes.length)
    all.push({
      t: 'Share of ok by node',
      h: nodes.length * 24,
      draw(g, x, w) {
        const q = C.node_ok_share;
        nodes.forEach((k, i) => {
          const b = i * 24 + 21,
            y = (v) => b - v * 17;
          let d = '';
          g.append(
            S('line', { x1: 0, x2: w, y1: b, y2: b, stroke: 'var(--line)' }),
            T(-6, b - 3, k, { 'text-anchor': 'end', class: 'mu' }),
          );
          q.nodes[i].forEach((v, j) => {
            const a = x(j * q.step_s),
              e = x((j + 1) * q.step_s);
            if (v == null) {
              g.append(
                S('rect', { x: a, y: b - 17, width: e - a, height: 17, fill: 'url(#h-none)' }),
              );
              return;
            }
            d += `M${a} ${b}V${y(v)}H${e}V${b}Z`;
            if (v < 0.02)
              g.append(
                S('path', { d: `M${a} ${b - 1.5}H${e}`, stroke: 'var(--fail)', 'stroke-width': 3 }),
              );
          });
          g.append(S('path', { d, fill: 'var(--ok)', opacity: 0.55 }));
        });
      },
      read: (t) =>
        t == null
          ? [[null, 'bar: 0 to 100 %; thick base: none ok; hatched: nothing sent']]
          : nodes.map((k, i) => {
              const v = C.node_ok_share.nodes[i][bucket(C.node_ok_share, t)];
              return [null, `${k} ${v == null ? '–' : Math.round(v * 100) + ' %'}`];
            }),
    });
  if (C.metrics && C.metrics.leader.length)
    all.push({
      t: 'Who says that it leads, with its term',
      h: nodes.length * 22,
      draw(g, x, w, h) {
        nodes.forEach((k, i) =>
          g.append(
            S('line', { x1: 0, x2: w, y1: i * 22 + 11, y2: i * 22 + 11, stroke: 'var(--line)' }),
            T(-6, i * 22 + 15, k, { 'text-anchor': 'end', class: 'mu' }),
          ),
        );
        const L = C.metrics.leader;
        for (const l of L) {
          const i = nodes.indexOf(l.node),
            a = x(l.from_s),
            wd = Math.max(2, x(l.to_s) - a);
          g.append(
            S('rect', { x: a, y: i * 22 + 3, width: wd, height: 16, fill: 'var(--text)', rx: 2 }),
          );
          if (wd > 16 && l.term != null)
            g.append(
              T(Math.max(a, 0) + 5, i * 22 + 15, (wd > 60 ? 'term ' : '') + l.term, {
                style: 'fill:var(--bg);font-weight:700',
              }),
            );
        }
        for (let a = 0; a < L.length; a++)
          for (let b = a + 1; b < L.length; b++) {
            const f = Math.max(L[a].from_s, L[b].from_s),
              t = Math.min(L[a].to_s, L[b].to_s);
            if (t - f > C.metrics.step_s * 1.01)
              g.append(
                S('rect', {
                  x: x(f),
                  y: 0,
                  width: x(t) - x(f),
                  height: h,
                  fill: 'url(#h-bad)',
                  opacity: 0.5,
                }),
                T(x(f) + 4, h - 6, x(t) - x(f) > 78 ? 'two leaders' : '2', {
                  style: 'fill:var(--bad);font-weight:700',
                  class: 'halo',
                }),
              );
          }
      },
      read: (t) => {
        if (t == null) return [[null, 'as scraped, once a second']];
        const l = C.metrics.leader.filter((l) => t >= l.from_s && t < l.to_s);
        return [
          [
            null,
            l.length
              ? l.map((l) => l.node + (l.term == null ? '' : ` (term ${l.term})`)).join(' and ')
              : 'nobody',
          ],
        ];
      },
    });
  if (C.metrics && C.metrics.commit.some((c) => c.some((v) => v != null)))
    all.push({
      t: 'Commit index',
      h: 96,
      draw(g, x, w, h) {
        const values = C.metrics.commit.flat().filter((v) => v != null),
          ticks = nice(Math.max(1, ...values), 3),
          hi = Math.max(ticks.at(-1), ...values),
          y = (v) => h - (v / hi) * h;
        grid(g, y, w, ticks, short);
        const dash = [null, '6 3', '2 3', '8 3 2 3', '1 2'];
        C.metrics.commit.forEach((c, i) => {
          let d = '',
            up = false;
          c.forEach((v, t) => {
            if (v == null) {
              up = false;
              return;
            }
            d += `${up ? 'L' : 'M'}${x(t).toFixed(1)} ${y(v).toFixed(1)}`;
            up = true;
          });
          g.append(
            S('path', {
              d,
              fill: 'none',
              stroke: i ? 'var(--muted)' : 'var(--text)',
              'stroke-width': i ? 1.2 : 2,
              'stroke-dasharray': dash[i % 5],
            }),
          );
        });
      },
      read: (t) =>
        nodes.map((k, i) => {
          const c = C.metrics.commit[i],
            v = t == null ? c.filter((v) => v != null).at(-1) : c[Math.floor(t)];
          return [null, `${k} ${v == null ? 'no answer' : v.toLocaleString('en')}`];
        }),
    });
  const panels = all;
  for (const p of panels) {
    p.head = H('span', { class: 'r' });
    p.box = H('div');
    stack.append(
      H('div', { class: 'panel' }, H('div', { class: 'phead' }, H('b', {}, p.t), p.head), p.box),
    );
  }
  const geo = () => {
    const gL = W < 560 ? 42 : 52,
      gR = W < 560 ? 30 : 40;
    return { gL, w: W - gL - gR };
  };
  const X = (t) => ((t - A) / (B - A)) * geo().w,
    inv = (px) => A + (px / geo().w) * (B - A);
  const tick = (g, h, w) => {
    const st =
      [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60, 120, 300, 600].find(
        (s) => (B - A) / s <= Math.max(4, w / 70),
      ) || 3600;
    for (let t = Math.ceil(A / st) * st; t <= B + 1e-9; t += st)
      g.append(
        T(X(t), h + 15, +t.toFixed(2) + (t + st > B ? ' s' : ''), {
          'text-anchor': 'middle',
          class: 'mu',
        }),
      );
  };
  function draw(w) {
    W = w || W;
    const { gL, w: pw } = geo();
    panels.forEach((p, i) => {
      const axis = i < 2 || i === panels.length - 1,
        s = S('svg', { width: W, height: p.h + (axis ? 20 : 4), role: 'img', 'aria-label': p.t }),
        g = S('g', { transform: `translate(${gL} 0)` }),
        inner = S('svg', {
          x: 0,
          y: -8,
          width: pw,
          height: p.h + 16,
          viewBox: `0 -8 ${pw} ${p.h + 16}`,
          style: 'overflow:hidden',
        }),
        gg = S('g'),
        labels = S('g');
      if (!p.plain)
        for (const f of D.faults)
          inner.append(band(f, X(f.start_s), 0, X(f.stop_s) - X(f.start_s), p.h));
      p.draw(gg, X, pw, p.h, labels);
      for (const t of [...gg.querySelectorAll('text[text-anchor=end].mu')])
        if (+t.getAttribute('x') < 0) labels.append(t);
      inner.append(gg);
      if (!p.plain)
        for (const [, t] of vlines)
          inner.append(
            S('line', {
              x1: X(t),
              x2: X(t),
              y1: 0,
              y2: p.h,
              stroke: 'var(--bad)',
              'stroke-width': 1.2,
            }),
          );
      p.line = S('line', {
        y1: 0,
        y2: p.h,
        stroke: 'var(--text)',
        'stroke-width': 1,
        visibility: 'hidden',
      });
      p.sel = S('rect', { y: 0, height: p.h, fill: 'var(--okfill)', visibility: 'hidden' });
      inner.append(p.sel, p.line);
      g.append(inner, labels);
      if (i === (panels[0].plain ? 1 : 0)) {
        let free = -99;
        for (const [id, t] of vlines) {
          const x = X(t);
          if (x > 0 && x < pw - 16 && x > free) {
            g.append(T(x + 5, 11, id, { style: 'fill:var(--bad);font-weight:700', class: 'halo' }));
            free = x + 24;
          }
        }
      }
      if (axis) tick(g, p.h, pw);
      s.append(g);
      p.box.replaceChildren(s);
    });
    scale(stack);
    readout();
  }
  function readout() {
    for (const p of panels) {
      p.head.replaceChildren(...p.read(cross).map(([k, t]) => H('span', {}, k ? sw(k) : null, t)));
      if (cross == null || cross < A || cross > B) p.line.setAttribute('visibility', 'hidden');
      else {
        p.line.setAttribute('visibility', 'visible');
        p.line.setAttribute('x1', X(cross));
        p.line.setAttribute('x2', X(cross));
      }
    }
    at.textContent =
      cross == null ? `${A.toFixed(1)} – ${B.toFixed(1)} s` : `at ${cross.toFixed(2)} s`;
  }
  function zoom(a, b) {
    const m = 0.2;
    if (b - a < m) {
      const c = (a + b) / 2;
      a = c - m / 2;
      b = c + m / 2;
    }
    A = Math.max(C.from_s, a);
    B = Math.min(C.to_s, b);
    if (B - A < m) {
      A = C.from_s;
      B = C.to_s;
    }
    draw();
  }
  const move = (t, say) => {
    cross = t == null ? null : Math.max(A, Math.min(B - 1e-6, t));
    readout();
    if (say && cross != null)
      live.textContent =
        `${cross.toFixed(2)} s. ` +
        panels
          .map(
            (p) =>
              p.t +
              ': ' +
              p
                .read(cross)
                .map((r) => r[1])
                .join(', '),
          )
          .join('. ');
  };
  const tx = (e) => inv(e.clientX - stack.getBoundingClientRect().left - geo().gL);
  let down = null;
  const unselect = () => {
    for (const p of panels) p.sel.setAttribute('visibility', 'hidden');
  };
  stack.addEventListener('pointermove', (e) => {
    const t = tx(e);
    if (down != null) {
      const a = Math.min(down, t),
        b = Math.max(down, t);
      for (const p of panels) {
        p.sel.setAttribute('visibility', 'visible');
        p.sel.setAttribute('x', X(a));
        p.sel.setAttribute('width', X(b) - X(a));
      }
    }
    move(t < A || t > B ? null : t);
  });
  stack.addEventListener('pointerdown', (e) => {
    if (e.pointerType === 'mouse' && e.button) return;
    down = tx(e);
  });
  addEventListener('pointerup', (e) => {
    if (down == null) return;
    const t = tx(e),
      d = down;
    down = null;
    unselect();
    if (Math.abs(X(t) - X(d)) > 8) zoom(Math.min(d, t), Math.max(d, t));
  });
  stack.addEventListener('pointercancel', () => {
    down = null;
    unselect();
  });
  stack.addEventListener('pointerleave', () => down == null && move(null));
  stack.addEventListener('dblclick', () => zoom(C.from_s, C.to_s));
  stack.addEventListener('keydown', (e) => {
    const st = (B - A) / (e.shiftKey ? 10 : 82),
      c = cross ?? (A + B) / 2,
      w = B - A;
    if (e.key === 'ArrowRight') move(c + st, true);
    else if (e.key === 'ArrowLeft') move(c - st, true);
    else if (e.key === '+' || e.key === '=') zoom(c - w / 4, c + w / 4);
    else if (e.key === '-') zoom(c - w, c + w);
    else if (e.key === '0' || e.key === 'Escape') {
      move(null);
      zoom(C.from_s, C.to_s);
    } else return;
    e.preventDefault();
  });
  for (const b of root.querySelectorAll('[data-zoom]'))
    b.addEventListener('click', () => {
      const [a, z] = b.dataset.zoom.split(' ').map(Number);
      zoom(a, z);
      for (const c of root.querySelectorAll('[data-zoom]')) c.setAttribute('aria-pressed', c === b);
    });
  responsive(stack, draw);
  addEventListener('beforeprint', () => {
    A = C.from_s;
    B = C.to_s;
    cross = null;
    draw(Math.min(W, 720));
    scale(stack);
  });
  addEventListener('afterprint', () => {
    draw(Math.floor(stack.clientWidth));
    scale(stack);
  });
}
