// Applies a chosen theme before the first paint. Without a choice the operating system decides (theme.css).
// Runs as a blocking file because the page's content-security policy allows no inline script.
try {
  const chosen = localStorage.getItem('freehold/theme');
  if (chosen === 'light' || chosen === 'dark') document.documentElement.dataset.theme = chosen;
} catch {
  // storage may be forbidden; the system's theme stands
}
