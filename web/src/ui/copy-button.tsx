// Copies a text and says so for a moment. Pages opened over plain http from another machine have no clipboard API;
// there the old way through a hidden text area still works.
import { useEffect, useState } from 'react';
import { IconButton } from './button.tsx';
import { CheckIcon, CopyIcon } from './icons.tsx';

async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const focused = document.activeElement as HTMLElement | null;
    const area = document.createElement('textarea');
    area.value = text;
    area.className = 'sr-only';
    document.body.append(area);
    area.select();
    const copied = document.execCommand('copy');
    area.remove();
    focused?.focus();
    return copied;
  }
}

export function CopyButton({
  text,
  label,
  className,
}: {
  text: string | (() => string);
  label: string;
  className?: string;
}) {
  const [state, setState] = useState<'ready' | 'copied' | 'failed'>('ready');
  useEffect(() => {
    if (state === 'ready') return;
    const timer = setTimeout(() => setState('ready'), 1800);
    return () => clearTimeout(timer);
  }, [state]);

  const shownLabel = { ready: label, copied: 'Copied', failed: 'Copying was refused by the browser' }[state];
  return (
    <IconButton
      small
      label={shownLabel}
      className={className}
      onClick={async () => setState((await copyText(typeof text === 'string' ? text : text())) ? 'copied' : 'failed')}
    >
      {state === 'copied' ? <CheckIcon className="size-4.5 text-accent" /> : <CopyIcon className="size-4.5" />}
      <span className="sr-only" aria-live="polite">
        {state === 'ready' ? '' : shownLabel}
      </span>
    </IconButton>
  );
}
