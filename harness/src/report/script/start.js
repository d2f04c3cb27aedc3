/* The theme is remembered where there is storage; #dark and #light force one. */
const dark = matchMedia('(prefers-color-scheme: dark)');
let theme = null;
try {
  theme = localStorage.getItem('schism-theme');
} catch {
  /* a file opened without storage */
}
if (location.hash === '#dark' || location.hash === '#light') theme = location.hash.slice(1);
const paint = () => {
  const d = theme ? theme === 'dark' : dark.matches;
  document.documentElement.toggleAttribute('data-dark', d);
  $('theme').textContent = d ? 'Light' : 'Dark';
  $('theme').setAttribute('aria-label', d ? 'Use light colours' : 'Use dark colours');
};
$('theme').addEventListener('click', () => {
  theme = document.documentElement.hasAttribute('data-dark') ? 'light' : 'dark';
  try {
    localStorage.setItem('schism-theme', theme);
  } catch {
    /* as above */
  }
  paint();
});
dark.addEventListener('change', paint);
paint();
glance($('glance'));
for (const v of D.violations) {
  if (v.timeline) timeline($(v.id), v);
  else if (v.cycle) cycle($(v.id), v);
}
for (const f of D.faults) {
  const e = $(f.id);
  if (D.run.nodes.length) e.querySelector('.topo').append(topology(f));
  mini(e.querySelector('.mini'), f);
}
charts($('charts'));
for (const b of document.querySelectorAll('[data-copy]'))
  b.addEventListener('click', async () => {
    try {
      await navigator.clipboard.writeText(b.dataset.copy);
      b.textContent = 'Copied';
    } catch {
      const r = document.createRange();
      r.selectNodeContents(b.previousElementSibling);
      getSelection().removeAllRanges();
      getSelection().addRange(r);
      b.textContent = 'Selected';
    }
    setTimeout(() => {
      b.textContent = 'Copy';
    }, 1500);
  });
let opened = [];
addEventListener('beforeprint', () => {
  opened = [...document.querySelectorAll('details:not([open])')];
  for (const d of opened) d.open = true;
});
addEventListener('afterprint', () => {
  for (const d of opened) d.open = false;
});
