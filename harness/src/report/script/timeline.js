/* A violation as operations: processes are rows, operations bars, the impossible one is marked. */
function timeline(root, violation) {
  const v = violation.timeline,
    box = root.querySelector('.plot'),
    det = root.querySelector('.det');
  const ops = v.operations,
    bad = ops.find((o) => o.impossible) || ops.at(-1),
    placed = ops.filter((o) => o.place).sort((a, b) => a.place - b.place);
  let even = true,
    sel = bad.id,
    W = 0;
  const rowsOf = (g) =>
    v.rows.filter((p) => ops.some((o) => o.process === p && (g.nodes.includes(o.node) || !o.node)));
  const groups = v.groups.length ? v.groups : [{ label: '', nodes: [''], cut: false }];
  const nodeOf = (p) => ops.find((o) => o.process === p).node;
  /* The events of the picture in order of index: the order is the proof. */
  const events = new Map();
  for (const o of ops) {
    events.set(o.index[0], o.invoke_s);
    if (o.complete_s != null) events.set(o.index[1], o.complete_s);
  }
  for (const m of v.marks) events.set(m.index, m.at_s);
  for (const m of v.must_hold) {
    events.set(m.from_index, m.from_s);
    events.set(m.to_index, m.to_s);
  }
  const order = [...events.keys()].sort((a, b) => a - b);
  const from_s = Math.min(...events.values()),
    to_s = Math.max(...events.values());

  keys(root.querySelector('.keys'));
  function keys(bar) {
    const key = (text, ...kids) =>
      H(
        'span',
        { class: 'key' },
        S('svg', { viewBox: '0 0 26 14', 'aria-hidden': 'true' }, ...kids),
        text,
      );
    const has = (k) => ops.some((o) => o.outcome === k);
    bar.append(
      key(
        placed.length ? 'ok, dot where it took effect' : 'ok',
        S('rect', {
          x: 2,
          y: 1.5,
          width: 22,
          height: 11,
          rx: 2,
          fill: 'var(--okfill)',
          stroke: 'var(--ok)',
          'stroke-width': 1.4,
        }),
        placed.length ? S('circle', { cx: 13, cy: 7, r: 3.8, fill: 'var(--ok)' }) : null,
      ),
    );
    if (has('info'))
      bar.append(
        key(
          'info: no answer, open-ended',
          S('path', {
            d: 'M26 1.5H2v11H26',
            fill: 'none',
            stroke: 'var(--info)',
            'stroke-width': 1.6,
            'stroke-dasharray': '5 2',
          }),
          S('path', { d: 'M6 4l6 6m0-6l-6 6', stroke: 'var(--info)', 'stroke-width': 1.8 }),
        ),
      );
    if (has('fail'))
      bar.append(
        key(
          'fail',
          S('rect', {
            x: 2,
            y: 1.5,
            width: 22,
            height: 11,
            fill: 'url(#h-fail)',
            stroke: 'var(--fail)',
          }),
        ),
      );
    bar.append(key('impossible', glyph('bad', 13, 7, 7)));
    if (v.bands.length)
      bar.append(key('fault window', S('rect', { width: 26, height: 14, fill: 'var(--band)' })));
    const choice = (name, text) =>
      H('button', { type: 'button', 'data-scale': name, 'aria-pressed': name === 'even' }, text);
    bar.append(
      H(
        'span',
        { style: 'margin-left:auto;display:flex;gap:6px' },
        choice('even', 'Even steps'),
        choice('true', 'True time'),
      ),
    );
    for (const b of bar.querySelectorAll('[data-scale]'))
      b.addEventListener('click', () => {
        even = b.dataset.scale === 'even';
        for (const c of bar.querySelectorAll('[data-scale]'))
          c.setAttribute('aria-pressed', c === b);
        draw(W);
        scale(box);
      });
  }

  function draw(w) {
    W = w;
    const narrow = W < 640,
      gL = narrow ? 56 : 92,
      R = W - 6,
      MONO = narrow ? 6.7 : 7.3;
    const step = (R - gL) / (order.length + 0.6),
      span = Math.max(to_s - from_s, 1e-6);
    const X = (index, time) =>
      even
        ? gL + (order.indexOf(index) + 0.5) * step
        : gL + 6 + ((time - from_s) / span) * (R - gL - 12);
    const x1Of = (o) => X(o.index[0], o.invoke_s),
      x2Of = (o) => (o.complete_s == null ? R : Math.max(X(o.index[1], o.complete_s), x1Of(o) + 4));
    const top = placed.length ? 58 : 10,
      RH = 38,
      y = {},
      heads = [];
    let Y = top + (v.bands.length ? 22 : 0) + 4;
    for (const g of groups) {
      const head = [g, Y];
      heads.push(head);
      if (g.label) Y += 24;
      for (const p of rowsOf(g)) {
        y[p] = Y + RH / 2;
        Y += RH;
      }
      head.push(Y);
      Y += 6;
    }
    const lanes = Y + 50,
      laneRows = v.must_hold.length,
      HT = laneRows ? lanes + laneRows * 24 + 12 : Y + 22;
    const s = S('svg', {
      width: W,
      height: HT,
      class: narrow ? 'narrow' : null,
      role: 'group',
      'aria-label': `Timeline of the ${ops.length} operations that matter. Arrow keys move between operations.`,
    });
    /* Fault windows behind everything, the cut side a little darker. */
    v.bands.forEach((b, i) => {
      const a = b.from_index == null ? gL : X(b.from_index, b.from_s),
        e = b.to_index == null ? R : X(b.to_index, b.to_s);
      s.append(
        S('rect', {
          x: a,
          y: top,
          width: Math.max(1, e - a),
          height: Y - top,
          fill: 'var(--band)',
        }),
      );
      if (b.from_index != null)
        s.append(
          S('line', {
            x1: a,
            x2: a,
            y1: top,
            y2: Y,
            stroke: 'var(--band-line)',
            'stroke-width': 1.5,
          }),
        );
      if (b.to_index != null)
        s.append(
          S('line', {
            x1: e,
            x2: e,
            y1: top,
            y2: Y,
            stroke: 'var(--band-line)',
            'stroke-width': 1.5,
            'stroke-dasharray': '3 3',
          }),
        );
      const text = b.id + (b.from_index == null ? ' (since before)' : ' · ' + sec(b.from_s)),
        fits = a + 6 + text.length * 6.4 < R;
      if (i < 2)
        s.append(
          T(fits ? a + 6 : R - 4, top + 14 + (i ? 12 : 0), text, {
            class: 'halo',
            'text-anchor': fits ? 'start' : 'end',
          }),
        );
      for (const [g, from, to] of heads)
        if (g.cut)
          s.append(
            S('rect', {
              x: a,
              y: from + 2,
              width: Math.max(1, e - a),
              height: to - from - 2,
              fill: 'var(--cut)',
            }),
          );
    });
    for (const [g, a] of heads) {
      if (g.label) s.append(T(0, a + 16, g.label, { class: 'mu halo' }));
      for (const p of rowsOf(g))
        s.append(
          S('line', { x1: gL, x2: R, y1: y[p], y2: y[p], stroke: 'var(--line)' }),
          T(0, y[p] + 4, p, { class: 'm', style: 'font-weight:700' }),
          T(narrow ? 26 : 40, y[p] + 4, nodeOf(p) ? '→ ' + nodeOf(p) : '', { class: 'mu' }),
        );
    }
    /* States along the top, in the longest order that was found. */
    if (placed.length) {
      let px = -1;
      for (const o of placed) {
        o.x = Math.max(o.complete_s == null ? x1Of(o) + 8 : (x1Of(o) + x2Of(o)) / 2, px + 6);
        px = o.x;
      }
      const segs = [{ s: v.initial, x: gL }];
      for (const o of placed) if (o.state !== segs.at(-1).s) segs.push({ s: o.state, x: o.x });
      s.append(T(0, 40, narrow ? 'holds' : 'key ' + (violation.key || ''), { class: 'mu' }));
      segs.forEach((g, i) => {
        const e = segs[i + 1] ? segs[i + 1].x : R,
          wd = e - g.x;
        s.append(
          S('rect', {
            x: g.x,
            y: 24,
            width: Math.max(0, wd),
            height: 24,
            fill: i ? 'var(--okfill)' : 'var(--panel)',
            stroke: 'var(--ok)',
            'stroke-width': 1,
          }),
        );
        if (wd > 12 + String(g.s).length * MONO)
          s.append(
            T(g.x + 6, 40, (wd > 70 + String(g.s).length * MONO && i ? 'holds ' : '') + g.s, {
              class: 'm',
            }),
          );
      });
      for (const o of placed)
        s.append(
          S('line', {
            x1: o.x,
            x2: o.x,
            y1: 48,
            y2: y[o.process],
            stroke: 'var(--ok)',
            'stroke-dasharray': '1 3',
            'stroke-width': 1.3,
          }),
        );
    }
    const bx = bad.complete_s == null ? x1Of(bad) + 12 : (x1Of(bad) + x2Of(bad)) / 2;
    if (placed.length) {
      s.append(
        S('line', {
          x1: bx,
          x2: bx,
          y1: 56,
          y2: y[bad.process],
          stroke: 'var(--bad)',
          'stroke-dasharray': '5 3',
          'stroke-width': 1.6,
        }),
        glyph('bad', bx, 48, 8),
      );
      const text = `needs ${v.needs}, finds ${v.holds}`,
        left = bx - text.length * 7 > 0;
      s.append(
        T(left ? Math.min(R, bx + 12) : Math.max(0, bx - 12), 16, text, {
          'text-anchor': left ? 'end' : 'start',
          style: 'fill:var(--bad);font-weight:700',
        }),
      );
    }
    for (const p of v.rows) {
      const row = ops.filter((o) => o.process === p);
      let used = gL;
      row.forEach((o, i) => {
        const open = o.complete_s == null,
          x1 = x1Of(o),
          x2 = x2Of(o),
          cy = y[p],
          lim = row[i + 1] ? x1Of(row[i + 1]) - 4 : R,
          color = o.outcome === 'fail' ? 'var(--fail)' : 'var(--ok)';
        const label = o.f + (o.impossible ? ' impossible' : ''),
          tw = label.length * MONO + 4;
        const g = S('g', {
          class: 'op',
          tabindex: 0,
          role: 'button',
          'data-id': o.id,
          'aria-label': `${o.process} on ${o.node}: ${o.f}, ${open ? 'no answer, may have happened' : o.outcome}${o.impossible ? ', impossible' : ''}`,
        });
        g.append(
          S('rect', {
            class: 'ring',
            x: x1 - 4,
            y: cy - 14,
            width: x2 - x1 + 8,
            height: 28,
            rx: 5,
          }),
        );
        if (open) {
          g.append(
            S('path', {
              d: `M${x2} ${cy - 9}H${x1}V${cy + 9}H${x2}`,
              fill: 'var(--bg)',
              stroke: 'var(--info)',
              'stroke-width': 1.8,
              'stroke-dasharray': '6 3',
            }),
            S('path', {
              d: `M${x2 - 12} ${cy - 5}l6 5l-6 5`,
              stroke: 'var(--info)',
              fill: 'none',
              'stroke-width': 1.8,
            }),
            glyph(o.impossible ? 'bad' : 'info', x1 + 12, cy, o.impossible ? 8 : 4),
          );
          const long = label + ' · no answer, may have happened';
          g.append(
            T(x1 + 24, cy + 4, x2 - x1 - 40 > long.length * MONO ? long : label, {
              class: 'm halo',
            }),
          );
        } else {
          g.append(
            S('rect', {
              x: x1,
              y: cy - 9,
              width: x2 - x1,
              height: 18,
              rx: 2,
              fill: o.impossible ? 'url(#h-bad)' : 'var(--bg)',
            }),
            S('rect', {
              x: x1,
              y: cy - 9,
              width: x2 - x1,
              height: 18,
              rx: 2,
              fill: o.impossible ? 'none' : o.outcome === 'fail' ? 'url(#h-fail)' : 'var(--okfill)',
              stroke: o.impossible ? 'var(--bad)' : color,
              'stroke-width': o.impossible ? 2.2 : 1.4,
            }),
          );
          if (o.impossible) g.append(glyph('bad', bx, cy, 8));
          else if (o.place) g.append(glyph('ok', o.x, cy, 5.2));
          let tx = x2 + 7,
            an = 'start',
            ty = cy + 4;
          if (tx + tw > lim) {
            if (x1 - 7 - tw > used) {
              tx = x1 - 7;
              an = 'end';
            } else {
              tx = Math.max(gL, Math.min(x1, R - tw));
              ty = cy - 13;
            }
          }
          g.append(
            T(tx, ty, label, {
              class: 'm halo',
              'text-anchor': an,
              style: o.impossible ? 'fill:var(--bad);font-weight:700' : null,
            }),
          );
          used = an === 'start' ? tx + tw : x2;
        }
        g.append(
          S('rect', {
            class: 'hit',
            x: x1 - 10,
            y: cy - 18,
            width: Math.max(x2 - x1 + 20, 44),
            height: 36,
          }),
        );
        const pick = () => {
          sel = o.id;
          mark();
        };
        for (const e of ['pointerenter', 'click', 'focus']) g.addEventListener(e, pick);
        g.addEventListener('keydown', (e) => {
          const k = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[e.key];
          if (!k) return;
          e.preventDefault();
          const n = ops[(ops.findIndex((q) => q.id === o.id) + k + ops.length) % ops.length];
          box.querySelector(`[data-id=${n.id}]`).focus();
        });
        s.append(g);
      });
    }
    /* Times: in even steps those of the events that fit, the impossible one first; in true time a scale. */
    const taken = [],
      stamp = (x, text) => {
        x = Math.min(x, R - 20);
        const wd = text.length * 3.4 + 4;
        if (taken.some(([a, b]) => x + wd > a && x - wd < b)) return;
        taken.push([x - wd, x + wd]);
        s.append(T(x, Y + 14, text, { 'text-anchor': 'middle', class: 'mu' }));
      };
    if (even) {
      for (const i of [bad.index[0], ...v.marks.map((m) => m.index), ...order])
        stamp(X(i, events.get(i)), events.get(i).toFixed(3));
      s.append(T(0, Y + 14, narrow ? 'at, s' : 'at, seconds', { class: 'mu' }));
    } else {
      const st =
        [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10].find(
          (t) => span / t < (R - gL) / 60,
        ) || 30;
      for (let t = Math.ceil(from_s / st) * st; t <= to_s; t += st)
        stamp(X(0, t), t.toFixed(st < 0.1 ? 3 : 1));
      s.append(T(0, Y + 14, 'seconds', { class: 'mu' }));
    }
    hold(s, lanes, X, R, narrow, MONO);
    box.replaceChildren(s);
    mark();
  }

  /* What must hold: the proof in one picture, where values are unique. */
  function hold(s, lanes, X, R, narrow, MONO) {
    if (!v.must_hold.length) return;
    s.append(
      T(
        0,
        lanes - 8,
        narrow
          ? 'Must hold, from first completion to last invocation'
          : 'Each value must hold from its first completion to its last invocation. A register holds one value at a time.',
        { class: 'mu' },
      ),
    );
    const a0 = (m) => X(m.from_index, m.from_s),
      b0 = (m) => X(m.to_index, m.to_s);
    const oa = Math.max(...v.must_hold.map(a0)),
      ob = Math.min(...v.must_hold.map(b0));
    if (v.must_hold.length > 1 && ob > oa)
      s.append(
        S('rect', {
          x: oa,
          y: lanes,
          width: ob - oa,
          height: v.must_hold.length * 24 + 4,
          fill: 'url(#h-bad)',
          stroke: 'var(--bad)',
          opacity: 0.55,
        }),
      );
    v.must_hold.forEach((m, i) => {
      const a = a0(m),
        b = b0(m),
        yy = lanes + 4 + i * 24,
        wd = m.value.length * MONO,
        mid = Math.max(wd / 2 + 4, Math.min((a + b) / 2, R - wd / 2 - 4));
      s.append(
        S('path', {
          d: `M${a} ${yy}v16M${b} ${yy}v16M${a} ${yy + 8}H${b}`,
          stroke: 'var(--text)',
          'stroke-width': 1.6,
          fill: 'none',
        }),
        S('rect', { x: mid - wd / 2 - 4, y: yy, width: wd + 8, height: 16, fill: 'var(--bg)' }),
        T(mid, yy + 12, m.value, {
          class: 'm halo',
          'text-anchor': 'middle',
          style: 'font-weight:700',
        }),
      );
    });
  }

  function mark() {
    for (const g of box.querySelectorAll('.op')) g.classList.toggle('sel', g.dataset.id === sel);
    const o = ops.find((q) => q.id === sel),
      row = (k, x) => (x == null ? null : H('div', {}, H('dt', {}, k), H('dd', { class: 'n' }, x)));
    const end = o.complete_s ?? o.gave_up_s;
    const said = o.impossible
      ? v.needs
        ? `impossible: it needs ${v.needs}, and finds ${v.holds}`
        : 'this is what cannot be'
      : o.complete_s == null
        ? 'no answer: may have happened at any time after its invocation, or never'
        : o.place
          ? `placed ${o.place} of ${placed.length}; the key then holds ${o.state}`
          : o.outcome;
    det.replaceChildren(
      H('b', { class: 'm' }, o.f),
      ' ',
      H('span', { style: o.impossible ? 'color:var(--bad);font-weight:700' : '' }, said),
      H(
        'dl',
        {},
        row('process → node', o.node ? `${o.process} → ${o.node}` : o.process),
        row('invoked', sec(o.invoke_s)),
        row(o.complete_s == null ? 'gave up' : 'completed', end == null ? 'never' : sec(end)),
        row('took', end == null ? null : ms((end - o.invoke_s) * 1000)),
        row('events', o.index.join(', ')),
        row('error', o.error),
      ),
    );
  }
  responsive(box, draw);
}
