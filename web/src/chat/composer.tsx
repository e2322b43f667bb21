// Where a message is written: grows with its text, sends on Enter, becomes a stop button while the model answers.
// A draft belongs to its conversation and survives a reload of the tab.
import { type Ref, useEffect, useImperativeHandle, useLayoutEffect, useRef, useState } from 'react';
import { ArrowUpIcon, StopIcon } from '../ui/icons.tsx';
import { touchOnly } from '../ui/touch.ts';
import { isSendKey } from './send-key.ts';

export interface ComposerHandle {
  focus(): void;
}

interface ComposerProps {
  /** Whose draft this is; another id is another draft. */
  draftId: string;
  answering: boolean;
  onSend: (text: string) => void;
  onStop: () => void;
  /** Arrow up in an empty composer. */
  onEditLast: () => void;
  ref?: Ref<ComposerHandle>;
}

const draftKey = (id: string) => `freehold/draft/${id}`;

export function Composer({ draftId, answering, onSend, onStop, onEditLast, ref }: ComposerProps) {
  const area = useRef<HTMLTextAreaElement>(null);
  const [text, setText] = useState(() => sessionStorage.getItem(draftKey(draftId)) ?? '');

  useImperativeHandle(ref, () => ({ focus: () => area.current?.focus() }), []);

  useEffect(() => {
    // on a phone this would raise the keyboard over the page
    if (!touchOnly()) area.current?.focus();
  }, []);

  useEffect(() => {
    try {
      if (text === '') sessionStorage.removeItem(draftKey(draftId));
      else sessionStorage.setItem(draftKey(draftId), text);
    } catch {
      // a draft that cannot be kept is still on screen
    }
  }, [text, draftId]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: its height follows the text
  useLayoutEffect(() => {
    const box = area.current;
    // browsers without `field-sizing` need the height set by hand
    if (!box || CSS.supports('field-sizing', 'content')) return;
    box.style.height = 'auto';
    box.style.height = `${box.scrollHeight}px`;
  }, [text]);

  const empty = text.trim() === '';
  const send = () => {
    if (empty || answering) return;
    onSend(text.trim());
    setText('');
    // here too: a first message replaces this composer before its effects run
    sessionStorage.removeItem(draftKey(draftId));
  };

  return (
    <form
      className="mx-auto w-full max-w-3xl px-3 pb-[max(0.75rem,env(safe-area-inset-bottom))] sm:px-6"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      <div className="flex items-end gap-2 rounded-3xl border border-line-strong/50 bg-raised py-1.5 pr-1.5 pl-4 shadow-sm transition-colors focus-within:border-accent">
        <textarea
          ref={area}
          rows={1}
          value={text}
          aria-label="Message"
          placeholder="Write a message"
          enterKeyHint={touchOnly() ? 'enter' : 'send'}
          onChange={(event) => setText(event.target.value)}
          onKeyDown={(event) => {
            if (isSendKey(event)) {
              event.preventDefault();
              send();
            } else if (event.key === 'ArrowUp' && text === '' && !answering) {
              event.preventDefault();
              onEditLast();
            }
          }}
          className="field-sizing-content max-h-[40dvh] min-w-0 flex-1 resize-none bg-transparent py-2 text-base leading-6 outline-none"
        />
        {answering ? (
          <button type="button" onClick={onStop} aria-label="Stop" title="Stop (Esc)" className={roundButton}>
            <StopIcon />
          </button>
        ) : (
          <button type="submit" disabled={empty} aria-label="Send" title="Send (Enter)" className={roundButton}>
            <ArrowUpIcon />
          </button>
        )}
      </div>
      <p className="mt-2 text-center text-xs text-soft">Models make mistakes. Check what matters.</p>
    </form>
  );
}

const roundButton =
  'inline-flex size-10 shrink-0 items-center justify-center rounded-full bg-accent text-on-accent transition-colors hover:bg-accent-hover disabled:bg-bubble disabled:text-soft pointer-coarse:size-11';
