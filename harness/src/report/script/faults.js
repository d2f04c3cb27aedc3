/* The nodes in a circle, with the links that a fault cut or slowed down. */
function topology(f) {
  const nodes = D.run.nodes,
    n = nodes.length,
    big = n > 12,
    r = big ? 4 : 10;
  const s = S('svg', {
    width: 92,
    height: 92,
    role: 'img',
    'aria-label':
      f.id +
      ': ' +
      (f.cut.length
        ? f.cut.map((c) => `${nodes[c[0]]} and ${nodes[c[1]]} cut`).join(', ')
        : f.victims.join(', ') + ' ' + f.name),
  });
  const p = (i) => [
      46 + 34 * Math.sin((i * 2 * Math.PI) / n),
      48 - 34 * Math.cos((i * 2 * Math.PI) / n),
    ],
    has = (list, a, b) => list.some((c) => c[0] === a && c[1] === b);
  for (let a = 0; a < n; a++)
    for (let b = a + 1; b < n; b++) {
      if (has(f.cut, a, b)) continue;
      const slow = has(f.slow, a, b),
        [x1, y1] = p(a),
        [x2, y2] = p(b);
      s.append(
        S('line', {
          x1,
          y1,
          x2,
          y2,
          stroke: slow ? 'var(--unsure)' : 'var(--muted)',
          'stroke-width': slow ? 2.5 : 1,
          'stroke-dasharray': slow ? '4 3' : null,
          opacity: slow ? 1 : big ? 0.2 : 0.55,
        }),
      );
    }
  nodes.forEach((name, i) => {
    const [x, y] = p(i),
      struck = f.victims.includes(name),
      st = struck ? f.state : null,
      solid = struck && f.cut.length && f.victims.length < n,
      label = name.replace(/^n/, '');
    s.append(
      st
        ? S('rect', { x: x - r, y: y - r, width: 2 * r, height: 2 * r, fill: 'var(--text)' })
        : S('circle', {
            cx: x,
            cy: y,
            r,
            fill: solid ? 'var(--text)' : 'var(--bg)',
            stroke: struck ? 'var(--text)' : 'var(--muted)',
            'stroke-width': 1.5,
          }),
    );
    if (big) return;
    s.append(
      T(x, y + 4, st === 'killed' ? '✕' : st === 'paused' ? '‖' : label, {
        'text-anchor': 'middle',
        style: st || solid ? 'fill:var(--bg);font-weight:700' : null,
      }),
    );
    if (st)
      s.append(
        T(x + (x < 46 ? -13 : 13), y + (y > 60 ? 4 : -6), label, {
          'text-anchor': x < 46 ? 'end' : 'start',
          class: 'mu',
        }),
      );
  });
  return s;
}
/* The share of what was offered that was answered, from 1 s before a fault to 8 s after its start. */
function mini(box, f) {
  responsive(box, (W) => {
    const a = f.around,
      len = f.stop_s - f.start_s,
      to = a.from_s + a.ok_of_offered.length * a.step_s,
      gL = 34,
      x = (t) => gL + ((Math.min(t, to) - a.from_s) / (to - a.from_s)) * (W - gL - 4),
      y0 = 20,
      h = 74,
      y = (v) => h - v * (h - y0);
    const s = S('svg', {
      width: W,
      height: 110,
      role: 'img',
      'aria-label': `${f.id}: share of operations that were ok, from 1 s before to ${to} s after its start`,
    });
    s.append(band(f, x(0), y0, x(len) - x(0), h - y0));
    for (const o of D.faults) {
      const b = o.start_s - f.start_s;
      if (o !== f && b > 0 && b < to)
        s.append(
          band(o, x(b), y0, x(o.stop_s - f.start_s) - x(b), h - y0, { opacity: 0.6 }),
          T(x(to) - 4, h - 6, o.id, { 'text-anchor': 'end', class: 'mu' }),
        );
    }
    for (const v of [0, 1])
      s.append(
        S('line', { x1: gL, x2: W, y1: y(v), y2: y(v), stroke: 'var(--line)' }),
        T(gL - 6, y(v) + 4, v * 100 + (v ? ' %' : ''), { 'text-anchor': 'end', class: 'mu' }),
      );
    let d = '',
      up = false;
    a.ok_of_offered.forEach((v, i) => {
      if (v == null) {
        up = false;
        return;
      }
      const x1 = x(a.from_s + i * a.step_s),
        x2 = x(a.from_s + (i + 1) * a.step_s);
      d += `${up ? 'L' : 'M'}${x1} ${y(v)}L${x2} ${y(v)}`;
      up = true;
    });
    s.append(S('path', { d, fill: 'none', stroke: 'var(--ok)', 'stroke-width': 1.6 }));
    for (let t = 0; t <= to; t += 2)
      s.append(
        T(x(t), h + 14, t + (t === to ? ' s' : ''), {
          class: 'mu',
          'text-anchor': t === to ? 'end' : 'middle',
        }),
      );
    const marks = [
      [f.first_error_ms, 'first error', glyph('info', 0, 0, 3.5)],
      [
        f.detected_ms,
        f.detected_by,
        S('path', { d: 'M0 -5l5 5l-5 5l-5 -5Z', fill: 'var(--text)' }),
      ],
      [
        f.recovered_ms == null ? null : len * 1000 + f.recovered_ms,
        'recovered',
        S('path', {
          d: 'M-5 0l4 4l7 -8',
          stroke: 'var(--good)',
          'stroke-width': 2.4,
          fill: 'none',
        }),
      ],
    ].filter((m) => m[0] != null && m[0] / 1000 < to);
    marks.forEach(([t, name, g], i) => {
      const at = x(t / 1000),
        next = marks[i + 1] ? x(marks[i + 1][0] / 1000) : W,
        short = name === f.detected_by ? name.split(' ')[0] + ' leads' : name;
      g.setAttribute('transform', `translate(${at} ${y0 - 10})`);
      s.append(
        S('line', {
          x1: at,
          x2: at,
          y1: y0 - 4,
          y2: h,
          stroke: 'var(--muted)',
          'stroke-dasharray': '1 3',
        }),
        g,
      );
      for (const text of [name, short])
        if (at + 10 + text.length * 6.3 < next && name !== 'first error') {
          s.append(T(at + 10, y0 - 6, text, { class: 'mu' }));
          break;
        }
    });
    if (!f.proven)
      s.append(
        T(x(0) + 6, y0 + 22, 'no effect seen', { style: 'fill:var(--unsure);font-weight:700' }),
      );
    s.append(T(W, h + 30, 'seconds after its start', { 'text-anchor': 'end', class: 'mu' }));
    box.replaceChildren(s);
  });
}
