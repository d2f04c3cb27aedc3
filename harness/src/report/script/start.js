/* Draws every figure of the page, and makes its buttons work. */

/* The theme is remembered where there is storage; #dark and #light force one. */
function themes() {
  const button = byId('theme');
  const dark = matchMedia('(prefers-color-scheme: dark)');
  let theme = null;
  try {
    theme = localStorage.getItem('schism-theme');
  } catch {
    /* A file may be opened where there is no storage. */
  }
  if (['#dark', '#light'].includes(location.hash)) theme = location.hash.slice(1);
  const paint = () => {
    const isDark = theme ? theme === 'dark' : dark.matches;
    document.documentElement.toggleAttribute('data-dark', isDark);
    button.textContent = isDark ? 'Light' : 'Dark';
    button.setAttribute('aria-label', isDark ? 'Use light colours' : 'Use dark colours');
  };
  button.addEventListener('click', () => {
    theme = document.documentElement.hasAttribute('data-dark') ? 'light' : 'dark';
    try {
      localStorage.setItem('schism-theme', theme);
    } catch {
      /* As above. */
    }
    paint();
  });
  dark.addEventListener('change', paint);
  paint();
}

/* Copies the command; where a page may not, selects it. */
async function copy(button) {
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
    button.textContent = 'Copied';
  } catch {
    const range = document.createRange();
    range.selectNodeContents(button.previousElementSibling);
    getSelection().removeAllRanges();
    getSelection().addRange(range);
    button.textContent = 'Selected';
  }
  setTimeout(() => {
    button.textContent = 'Copy';
  }, 1500);
}

/* On paper, every detail is open. */
function openOnPaper() {
  let opened = [];
  addEventListener('beforeprint', () => {
    opened = [...document.querySelectorAll('details:not([open])')];
    for (const details of opened) details.open = true;
  });
  addEventListener('afterprint', () => {
    for (const details of opened) details.open = false;
  });
}

/* On a phone, what is long is folded. */
function foldOnPhone() {
  if (!matchMedia('(max-width:640px)').matches) return;
  for (const details of document.querySelectorAll('details.fold')) details.open = false;
}

themes();
openOnPaper();
foldOnPhone();
if (CHARTS) glance(byId('glance'));
for (const violation of DATA.violations) {
  if (violation.timeline) timeline(byId(violation.id), violation);
  else if (violation.cycle) cycle(byId(violation.id), violation);
}
for (const fault of DATA.faults) {
  const row = byId(fault.id);
  if (DATA.run.nodes.length) row.querySelector('.topo').append(topology(fault));
  mini(row.querySelector('.mini'), fault);
}
if (CHARTS) charts(byId('charts'));
for (const button of document.querySelectorAll('[data-copy]'))
  button.addEventListener('click', () => copy(button));

/* For tests: that everything was drawn, and by how much it is wider than the page. */
const page = document.documentElement;
page.dataset.overflow = `${page.scrollWidth - page.clientWidth} of ${page.clientWidth}`;
page.dataset.drawn = 'yes';
