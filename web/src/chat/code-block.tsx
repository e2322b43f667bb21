// A fenced block: its language, a copy button, and code that scrolls sideways instead of wrapping.
import { memo } from 'react';
import { CopyButton } from '../ui/copy-button.tsx';

export const CodeBlock = memo(function CodeBlock({ language, code }: { language: string; code: string }) {
  return (
    <figure className="overflow-hidden rounded-xl border border-line bg-code">
      <figcaption className="flex h-9 items-center justify-between pr-1 pl-3.5 text-xs text-soft pointer-coarse:h-11">
        <span>{language || 'text'}</span>
        <CopyButton text={code} label="Copy the code" className="size-7" />
      </figcaption>
      <pre
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a box that scrolls must be reachable by keyboard
        tabIndex={0}
        className="overflow-x-auto px-3.5 pb-3.5 font-mono text-[0.84rem] leading-relaxed [overflow-wrap:normal]"
      >
        <code>{code}</code>
      </pre>
    </figure>
  );
});
