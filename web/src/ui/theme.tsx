import { Button } from './Button';
import { createStore, useStore } from './store';

type Theme = 'system' | 'light' | 'dark';
const key = 'captions-theme';

const read = (): Theme => {
  const t = document.documentElement.dataset.theme;
  return t === 'light' || t === 'dark' ? t : 'system';
};
const store = createStore<Theme>(read());

function choose(theme: Theme): void {
  if (theme === 'system') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  try {
    if (theme === 'system') localStorage.removeItem(key);
    else localStorage.setItem(key, theme);
  } catch {
    // A browser that keeps nothing forgets the choice with the page.
  }
  store.set(theme);
}

const next: Record<Theme, Theme> = { system: 'light', light: 'dark', dark: 'system' };
const icons = { system: 'auto', light: 'sun', dark: 'moon' } as const;

export function ThemeSwitch() {
  const theme = useStore(store);
  return <Button look="plain" icon={icons[theme]} label={`Theme: ${theme}. Switch to ${next[theme]}`} onClick={() => choose(next[theme])} />;
}
