// Runs before the first paint, so that nobody sees the other theme flash by.
{
  const light = matchMedia('(prefers-color-scheme: light)');
  const set = () => {
    const chosen = localStorage.getItem('lasso_theme');
    document.documentElement.dataset.theme = chosen ?? (light.matches ? 'light' : 'dark');
  };
  set();
  light.addEventListener('change', set);
}
