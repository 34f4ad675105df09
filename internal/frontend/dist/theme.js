// Runs before the first paint, so that a chosen theme never flashes.
try {
  const theme = localStorage.getItem('captions-theme');
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
} catch {
  // A browser that keeps nothing shows the theme of the system.
}
