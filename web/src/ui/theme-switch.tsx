// Light, dark, or as the operating system has it. public/theme.js applies the choice before the first paint of the next visit.
import { useState } from 'react';
import { MonitorIcon, MoonIcon, SunIcon } from './icons.tsx';

const key = 'freehold/theme';
const choices = [
  { theme: 'light', label: 'Light', Icon: SunIcon },
  { theme: 'dark', label: 'Dark', Icon: MoonIcon },
  { theme: 'system', label: 'As the system', Icon: MonitorIcon },
] as const;
type Theme = (typeof choices)[number]['theme'];

function applyTheme(theme: Theme): void {
  if (theme === 'system') {
    delete document.documentElement.dataset.theme;
    localStorage.removeItem(key);
  } else {
    document.documentElement.dataset.theme = theme;
    localStorage.setItem(key, theme);
  }
}

export function ThemeSwitch() {
  const [theme, setTheme] = useState<Theme>(
    () => (document.documentElement.dataset.theme as Theme | undefined) ?? 'system',
  );
  return (
    <fieldset className="flex gap-0.5 rounded-lg border border-line p-0.5">
      <legend className="sr-only">Theme</legend>
      {choices.map(({ theme: choice, label, Icon }) => (
        <label
          key={choice}
          title={label}
          className="flex size-7 cursor-pointer items-center justify-center rounded-md text-soft hover:text-ink has-checked:bg-bubble has-checked:text-ink has-focus-visible:outline-2 has-focus-visible:outline-accent pointer-coarse:size-10"
        >
          <input
            type="radio"
            name="theme"
            className="sr-only"
            checked={theme === choice}
            onChange={() => {
              applyTheme(choice);
              setTheme(choice);
            }}
          />
          <span className="sr-only">{label}</span>
          <Icon className="size-4" />
        </label>
      ))}
    </fieldset>
  );
}
