// A panel that opens from a button: closes on Escape, on a press outside and when focus leaves; focus goes in when it opens
// and back to the button when it closes. `Menu` is one whose items are walked with the arrow keys.
import { type KeyboardEvent, type ReactNode, useEffect, useId, useRef, useState } from 'react';
import { touchOnly } from './touch.ts';

export interface TriggerProps {
  'aria-haspopup': 'dialog' | 'menu';
  'aria-expanded': boolean;
  'aria-controls': string | undefined;
  onClick: () => void;
}

interface PopoverProps {
  /** Name of the panel for screen readers. */
  label: string;
  trigger: (props: TriggerProps) => ReactNode;
  children: (close: () => void) => ReactNode;
  /** Where the panel stands relative to the button, as Tailwind classes. */
  placement?: string;
  role?: 'dialog' | 'menu';
  /** Keeps the button's wrapper visible while open, e.g. in a list row. */
  className?: string;
}

export function Popover({
  label,
  trigger,
  children,
  placement = 'absolute top-full right-0 mt-1',
  role = 'dialog',
  className = '',
}: PopoverProps) {
  const [open, setOpen] = useState(false);
  const wrapper = useRef<HTMLDivElement>(null);
  const panel = useRef<HTMLDivElement>(null);
  const id = useId();

  const close = (refocus = true) => {
    setOpen(false);
    if (refocus) wrapper.current?.querySelector('button')?.focus();
  };

  useEffect(() => {
    if (!open) return;
    const items = panel.current?.querySelectorAll<HTMLElement>('[data-autofocus], [aria-checked="true"]');
    const first =
      items?.[0] ?? panel.current?.querySelector<HTMLElement>('[role^="menuitem"], input, textarea, select, button');
    // on a touch screen a focused field would raise the keyboard over the panel
    const raisesKeyboard = touchOnly() && first?.matches('input, textarea');
    (raisesKeyboard ? panel.current : first)?.focus({ preventScroll: true });
    panel.current?.scrollIntoView({ block: 'nearest' });
    first?.scrollIntoView({ block: 'nearest' });
    const onPress = (event: PointerEvent) => {
      if (!wrapper.current?.contains(event.target as Node)) setOpen(false);
    };
    document.addEventListener('pointerdown', onPress);
    return () => document.removeEventListener('pointerdown', onPress);
  }, [open]);

  const onKeyDown = (event: KeyboardEvent) => {
    if (!open) return;
    if (event.key === 'Escape') {
      // the page's own Escape stops an answer; here it only closes the panel
      event.stopPropagation();
      close();
    } else if (role === 'menu') walk(event, panel.current);
  };

  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: it only listens to the keys of the controls inside
    <div
      ref={wrapper}
      className={`relative ${className}`}
      data-open={open || undefined}
      onKeyDown={onKeyDown}
      onBlur={(event) => {
        if (event.relatedTarget && !event.currentTarget.contains(event.relatedTarget)) setOpen(false);
      }}
    >
      {trigger({
        'aria-haspopup': role,
        'aria-expanded': open,
        'aria-controls': open ? id : undefined,
        onClick: () => setOpen(!open),
      })}
      {open && (
        <div
          ref={panel}
          id={id}
          tabIndex={-1}
          {...{ role, 'aria-label': label }}
          className={`z-30 rounded-xl border border-line bg-raised shadow-lg ${placement}`}
        >
          {children(close)}
        </div>
      )}
    </div>
  );
}

function walk(event: KeyboardEvent, panel: HTMLElement | null): void {
  const items = [...(panel?.querySelectorAll<HTMLElement>('[role^="menuitem"]') ?? [])];
  const at = items.indexOf(document.activeElement as HTMLElement);
  const target = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: -1 }[event.key];
  if (target === undefined || items.length === 0) return;
  event.preventDefault();
  items.at(target % items.length)?.focus();
}

export function Menu(props: Omit<PopoverProps, 'role'>) {
  return <Popover {...props} role="menu" />;
}

export function MenuItem({
  checked,
  danger = false,
  onSelect,
  children,
}: {
  /** Given: the item is one choice of several. */
  checked?: boolean;
  danger?: boolean;
  onSelect: () => void;
  children: ReactNode;
}) {
  return (
    <button
      type="button"
      {...(checked === undefined ? { role: 'menuitem' } : { role: 'menuitemradio', 'aria-checked': checked })}
      tabIndex={-1}
      onClick={onSelect}
      className={`flex w-full items-center gap-2.5 rounded-lg px-2.5 py-2 text-left text-sm hover:bg-bubble focus-visible:bg-bubble pointer-coarse:py-3 ${danger ? 'text-danger' : ''}`}
    >
      {children}
    </button>
  );
}
