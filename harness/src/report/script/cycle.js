/* A violation as a circle of transactions, each before the next. */

/* Colour and dashes of an edge: a read that missed a write is what is drawn in red. */
const EDGES = {
  rw: ['var(--bad)', '7 4'],
  wr: ['var(--text)', null],
  ww: ['var(--text)', null],
  process: ['var(--muted)', '2 4'],
  realtime: ['var(--muted)', '2 4'],
};

function cycle(root, violation) {
  const circle = violation.cycle;
  const place = root.querySelector('.plot');
  lightEachOther(place, [...root.querySelectorAll('.edges li')]);
  responsive(place, (width) => {
    const layout = cycleLayout(circle, width);
    const says = circle.edges.map((edge) => `${edge.from} ${edge.type} ${edge.to}`).join(', ');
    const figure = svg('svg', {
      width,
      height: layout.height,
      role: 'img',
      'aria-label': `Circle of ${circle.transactions.length} transactions: ${says}`,
    });
    circle.edges.forEach((edge, i) => figure.append(cycleEdge(circle, edge, i, layout)));
    circle.transactions.forEach((one, i) => cycleTransaction(figure, one, i, layout));
    place.replaceChildren(figure);
  });
}

/* The sentence of an edge and the edge light each other. */
function lightEachOther(place, sentences) {
  const show = (lit) => {
    sentences.forEach((sentence, i) => sentence.classList.toggle('on', lit === i));
    place.querySelectorAll('.edge').forEach((edge, i) => {
      edge.style.opacity = lit == null || lit === i ? 1 : 0.25;
    });
  };
  sentences.forEach((sentence, i) => {
    sentence.tabIndex = 0;
    for (const event of ['pointerenter', 'focus', 'click'])
      sentence.addEventListener(event, () => show(i));
    for (const event of ['pointerleave', 'blur'])
      sentence.addEventListener(event, () => show(null));
  });
}

/* Side by side where there is room, otherwise one below the other. */
function cycleLayout(circle, width) {
  const count = circle.transactions.length;
  const wide = width > 300 * count - 60 && count <= 4;
  const lines = Math.max(...circle.transactions.map((one) => one.mops.length));
  const boxHeight = 40 + 22 * lines;
  const boxWidth = wide ? Math.min(270, (width - 90 * (count - 1)) / count) : width - 44;
  const gap = wide ? (width - count * boxWidth - 4) / Math.max(1, count - 1) : 62;
  const corner = (i) => (wide ? [2 + i * (boxWidth + gap), 8] : [2, 6 + i * (boxHeight + gap)]);
  const height = wide ? boxHeight + 90 : count * boxHeight + (count - 1) * gap + 14;
  const corners = circle.transactions.map((_, i) => corner(i));
  return { width, height, wide, boxWidth, boxHeight, gap, corners };
}

function cycleEdge(circle, edge, number, layout) {
  const placeOf = (id) => circle.transactions.findIndex((one) => one.id === id);
  const [from, to] = [placeOf(edge.from), placeOf(edge.to)];
  const back = to < from;
  const [color, dashes] = EDGES[edge.type] || EDGES.ww;
  const { d, tip, at } = cycleArrow(layout.corners[from], layout.corners[to], back, layout);
  const [x, y, turned] = tip;
  return svg(
    'g',
    { class: 'edge' },
    svg('path', {
      d,
      fill: 'none',
      stroke: color,
      'stroke-width': 2.2,
      'stroke-dasharray': dashes,
    }),
    svg('path', {
      d: 'M0 0l-10 -5v10Z',
      fill: color,
      transform: `translate(${x} ${y}) rotate(${turned})`,
    }),
    label(...at, `${number + 1}  ${edge.type}`, {
      'text-anchor': back && !layout.wide ? 'end' : 'middle',
      class: 'halo',
      style: `fill:${color};font-weight:700;font-size:14px`,
    }),
  );
}

/* The line of an arrow, its tip (x, y, turned by so many degrees), and the place of its name. */
function cycleArrow(a, b, back, layout) {
  const { width, wide, boxWidth, boxHeight, gap } = layout;
  if (!back && wide) {
    const y = a[1] + boxHeight / 2;
    const d = `M${a[0] + boxWidth + 2} ${y}H${b[0] - 10}`;
    return { d, tip: [b[0] - 2, y, 0], at: [(a[0] + boxWidth + b[0]) / 2, y - 12] };
  }
  if (!back) {
    const x = a[0] + 36;
    const d = `M${x} ${a[1] + boxHeight + 2}V${b[1] - 10}`;
    return { d, tip: [x, b[1] - 2, 90], at: [x + 44, (a[1] + boxHeight + b[1]) / 2 + 4] };
  }
  if (wide) {
    const y = a[1] + boxHeight;
    const [x1, x2] = [a[0] + boxWidth / 2, b[0] + boxWidth / 2];
    const down = `M${x1} ${y + 2}V${y + 40}Q${x1} ${y + 50} ${x1 - 10} ${y + 50}`;
    const up = `H${x2 + 10}Q${x2} ${y + 50} ${x2} ${y + 40}V${y + 10}`;
    return { d: down + up, tip: [x2, y + 2, -90], at: [(x1 + x2) / 2, y + 66] };
  }
  const x = width - 10;
  const [low, high] = [a[1] + boxHeight / 2, b[1] + boxHeight / 2];
  const out = `M${a[0] + boxWidth + 2} ${low}H${x - 8}Q${x} ${low} ${x} ${low - 8}`;
  const into = `V${high + 8}Q${x} ${high} ${x - 8} ${high}H${b[0] + boxWidth + 12}`;
  const tip = [b[0] + boxWidth + 2, high, 180];
  return { d: out + into, tip, at: [x - 8, a[1] - gap / 2 + 5] };
}

function cycleTransaction(figure, one, number, layout) {
  const [x, y] = layout.corners[number];
  const from = one.invoke_s.toFixed(3);
  const when =
    one.complete_s == null ? `${from} s, no answer` : `${from}–${one.complete_s.toFixed(3)} s`;
  const who = `${one.process}${one.node ? ' → ' + one.node : ''} · ${when}`;
  figure.append(
    box(x, y, layout.boxWidth, layout.boxHeight, {
      rx: 3,
      fill: 'var(--panel)',
      stroke: 'var(--line)',
    }),
    label(x + 12, y + 21, one.id, { style: 'font-weight:700;font-size:14px' }),
    label(x + 38, y + 21, who, { class: 'mu' }),
  );
  const room = Math.floor((layout.boxWidth - 24) / 7.9);
  one.mops.forEach((mop, i) => {
    const text = mop.length > room ? mop.slice(0, room - 1) + '…' : mop;
    figure.append(label(x + 12, y + 47 + i * 22, text, { class: 'm', style: 'font-size:13px' }));
  });
}
