/* A violation as a circle of transactions, each before the next. */
function cycle(root, violation) {
  const v = violation.cycle,
    box = root.querySelector('.plot'),
    list = [...root.querySelectorAll('.edges li')];
  const on = (i) => {
    list.forEach((l, j) => l.classList.toggle('on', i === j));
    box.querySelectorAll('.edge').forEach((e, j) => {
      e.style.opacity = i == null || i === j ? 1 : 0.25;
    });
  };
  list.forEach((l, i) => {
    l.tabIndex = 0;
    for (const e of ['pointerenter', 'focus', 'click']) l.addEventListener(e, () => on(i));
    for (const e of ['pointerleave', 'blur']) l.addEventListener(e, () => on(null));
  });
  const style = {
    rw: ['var(--bad)', '7 4'],
    wr: ['var(--text)', null],
    ww: ['var(--text)', null],
    process: ['var(--muted)', '2 4'],
    realtime: ['var(--muted)', '2 4'],
  };
  const number = (id) => v.transactions.findIndex((t) => t.id === id),
    count = v.transactions.length;
  responsive(box, (W) => {
    const wide = W > 300 * count - 60 && count <= 4,
      rows = Math.max(...v.transactions.map((t) => t.mops.length));
    const bw = wide ? Math.min(270, (W - 90 * (count - 1)) / count) : W - 44,
      bh = 40 + 22 * rows,
      gap = wide ? (W - count * bw - 4) / Math.max(1, count - 1) : 62;
    const HT = wide ? bh + 90 : count * bh + (count - 1) * gap + 14,
      P = v.transactions.map((_, i) => (wide ? [2 + i * (bw + gap), 8] : [2, 6 + i * (bh + gap)]));
    const s = S('svg', {
      width: W,
      height: HT,
      role: 'img',
      'aria-label':
        `Circle of ${count} transactions: ` +
        v.edges.map((e) => `${e.from} ${e.type} ${e.to}`).join(', '),
    });
    v.edges.forEach((e, i) => {
      const from = number(e.from),
        to = number(e.to),
        a = P[from],
        b = P[to],
        [c, dash] = style[e.type] || style.ww,
        back = to < from;
      let d, lx, ly, ar;
      if (!back && wide) {
        const y = a[1] + bh / 2;
        d = `M${a[0] + bw + 2} ${y}H${b[0] - 10}`;
        ar = [b[0] - 2, y, 0];
        lx = (a[0] + bw + b[0]) / 2;
        ly = y - 12;
      } else if (!back) {
        const x = a[0] + 36;
        d = `M${x} ${a[1] + bh + 2}V${b[1] - 10}`;
        ar = [x, b[1] - 2, 90];
        lx = x + 44;
        ly = (a[1] + bh + b[1]) / 2 + 4;
      } else if (wide) {
        const y = a[1] + bh,
          x1 = a[0] + bw / 2,
          x2 = b[0] + bw / 2;
        d = `M${x1} ${y + 2}V${y + 40}Q${x1} ${y + 50} ${x1 - 10} ${y + 50}H${x2 + 10}Q${x2} ${y + 50} ${x2} ${y + 40}V${y + 10}`;
        ar = [x2, y + 2, -90];
        lx = (x1 + x2) / 2;
        ly = y + 66;
      } else {
        const x = W - 10;
        d = `M${a[0] + bw + 2} ${a[1] + bh / 2}H${x - 8}Q${x} ${a[1] + bh / 2} ${x} ${a[1] + bh / 2 - 8}V${b[1] + bh / 2 + 8}Q${x} ${b[1] + bh / 2} ${x - 8} ${b[1] + bh / 2}H${b[0] + bw + 12}`;
        ar = [b[0] + bw + 2, b[1] + bh / 2, 180];
        lx = x - 8;
        ly = a[1] - gap / 2 + 5;
      }
      s.append(
        S(
          'g',
          { class: 'edge' },
          S('path', { d, fill: 'none', stroke: c, 'stroke-width': 2.2, 'stroke-dasharray': dash }),
          S('path', {
            d: 'M0 0l-10 -5v10Z',
            fill: c,
            transform: `translate(${ar[0]} ${ar[1]}) rotate(${ar[2]})`,
          }),
          T(lx, ly, `${i + 1}  ${e.type}`, {
            'text-anchor': back && !wide ? 'end' : 'middle',
            class: 'halo',
            style: `fill:${c};font-weight:700;font-size:14px`,
          }),
        ),
      );
    });
    v.transactions.forEach((t, i) => {
      const [x, y] = P[i],
        when =
          t.complete_s == null
            ? `${t.invoke_s.toFixed(3)} s, no answer`
            : `${t.invoke_s.toFixed(3)}–${t.complete_s.toFixed(3)} s`;
      s.append(
        S('rect', {
          x,
          y,
          width: bw,
          height: bh,
          rx: 3,
          fill: 'var(--panel)',
          stroke: 'var(--line)',
        }),
        T(x + 12, y + 21, t.id, { style: 'font-weight:700;font-size:14px' }),
        T(x + 38, y + 21, `${t.process}${t.node ? ' → ' + t.node : ''} · ${when}`, { class: 'mu' }),
      );
      const room = Math.floor((bw - 24) / 7.9);
      t.mops.forEach((m, j) =>
        s.append(
          T(x + 12, y + 47 + j * 22, m.length > room ? m.slice(0, room - 1) + '…' : m, {
            class: 'm',
            style: 'font-size:13px',
          }),
        ),
      );
    });
    box.replaceChildren(s);
  });
}
