// Renders an answer's Markdown block by block: blocks that are finished are not rendered again while the answer grows.
// The text comes from a model and is not trusted: HTML in it is shown as text, pictures become links, links open elsewhere.
import { memo, type ReactNode, useRef } from 'react';
import ReactMarkdown, { type Components, type ExtraProps } from 'react-markdown';
import remarkGfm from 'remark-gfm';
import { CodeBlock } from './code-block.tsx';
import { readFence, type SplitMarkdown, splitMarkdown } from './markdown-blocks.ts';
import { closeOpenMarks } from './open-marks.ts';

/** @param streaming more is coming: half-written marks at the end are not shown as such */
export function Markdown({ text, streaming = false }: { text: string; streaming?: boolean }) {
  const split = useRef<SplitMarkdown>(undefined);
  split.current = splitMarkdown(text, split.current);
  const { blocks } = split.current;
  return (
    <div className="markdown">
      {blocks.map((block, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: blocks are only ever added at the end
        <Block key={index} text={streaming && index === blocks.length - 1 ? closeOpenMarks(block) : block} />
      ))}
    </div>
  );
}

const plugins = [[remarkGfm, { singleTilde: false }], breakTags] as const;

const Block = memo(function Block({ text }: { text: string }) {
  const fence = readFence(text);
  return (
    <div>
      {fence ? (
        <CodeBlock {...fence} />
      ) : (
        <ReactMarkdown remarkPlugins={[...plugins] as never} components={components}>
          {text}
        </ReactMarkdown>
      )}
    </div>
  );
});

interface MarkdownNode {
  type: string;
  value?: string;
  children?: MarkdownNode[];
}

/** `<br>` is the one tag that models use with good reason (inside table cells); the rest stays text. */
function breakTags() {
  const visit = (node: MarkdownNode) => {
    if (node.type === 'html' && /^<br\s*\/?>$/i.test(node.value ?? '')) node.type = 'break';
    node.children?.forEach(visit);
  };
  return visit;
}

function SafeLink({ href, children }: { href?: string | undefined; children?: ReactNode }) {
  if (!href || !/^(?:https?:|mailto:)/i.test(href)) return <span>{children}</span>;
  return (
    <a href={href} target="_blank" rel="noopener noreferrer">
      {children}
    </a>
  );
}

type CodeProps = { className?: string | undefined; children?: ReactNode } & ExtraProps;

const components: Components = {
  a: ({ href, children }) => <SafeLink href={href}>{children}</SafeLink>,
  // a picture's address could carry away what was said in the conversation; nothing is loaded before a click
  img: ({ src, alt }) => <SafeLink href={typeof src === 'string' ? src : undefined}>{alt || 'picture'}</SafeLink>,
  h1: ({ children }) => <h3>{children}</h3>,
  h2: ({ children }) => <h4>{children}</h4>,
  h3: ({ children }) => <h5>{children}</h5>,
  h4: ({ children }) => <h6>{children}</h6>,
  h5: ({ children }) => <h6>{children}</h6>,
  pre: ({ children }) => {
    const { className = '', children: code } = (children as { props?: CodeProps } | undefined)?.props ?? {};
    return (
      <CodeBlock language={/language-(\S+)/.exec(className)?.[1] ?? ''} code={String(code ?? '').replace(/\n$/, '')} />
    );
  },
  table: ({ children }) => (
    // biome-ignore lint/a11y/useSemanticElements: no element means "a group that scrolls"
    <div
      className="table-scroll"
      role="group"
      aria-label="Table"
      // biome-ignore lint/a11y/noNoninteractiveTabindex: a box that scrolls must be reachable by keyboard
      tabIndex={0}
    >
      <table>{children}</table>
    </div>
  ),
  input: ({ checked }) => (
    <input type="checkbox" checked={checked ?? false} disabled aria-label={checked ? 'done' : 'to do'} />
  ),
};
