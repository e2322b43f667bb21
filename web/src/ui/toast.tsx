// One short notice at the bottom, with at most one action; it goes away by itself, but not while it is pointed at or focused.
import { useEffect, useState } from 'react';
import { CloseIcon } from './icons.tsx';

export interface Notice {
  /** Another id is another notice, also with the same words. */
  id: number;
  text: string;
  action?: { label: string; run: () => void };
}

export function Toast({ notice, onClose }: { notice: Notice | undefined; onClose: () => void }) {
  const [held, setHeld] = useState(false);
  useEffect(() => {
    if (!notice || held) return;
    const timer = setTimeout(onClose, 7000);
    return () => clearTimeout(timer);
  }, [notice, held, onClose]);

  return (
    <div role="status" className="pointer-events-none fixed inset-x-0 bottom-28 z-50 flex justify-center px-4">
      {notice && (
        // biome-ignore lint/a11y/noStaticElementInteractions: pointing at it only keeps it from going away
        <div
          key={notice.id}
          onPointerEnter={() => setHeld(true)}
          onPointerLeave={() => setHeld(false)}
          onFocus={() => setHeld(true)}
          onBlur={() => setHeld(false)}
          className="pointer-events-auto flex max-w-full items-center gap-2 rounded-xl bg-ink py-1.5 pr-1.5 pl-4 text-sm text-paper shadow-lg"
        >
          <span>{notice.text}</span>
          {notice.action && (
            <button
              type="button"
              className="rounded-lg px-2 py-1 font-semibold underline underline-offset-4"
              onClick={() => {
                notice.action?.run();
                onClose();
              }}
            >
              {notice.action.label}
            </button>
          )}
          <button
            type="button"
            aria-label="Close"
            onClick={onClose}
            className="flex size-8 items-center justify-center rounded-lg pointer-coarse:size-10"
          >
            <CloseIcon className="size-4" />
          </button>
        </div>
      )}
    </div>
  );
}
