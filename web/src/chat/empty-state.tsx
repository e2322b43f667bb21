// What a new chat shows: where one is, which model will answer, and three things to try.
import type { ModelInfo } from '../api/client.ts';
import { CopyButton } from '../ui/copy-button.tsx';
import { Mark } from '../ui/icons.tsx';

const suggestions = [
  { title: 'Sell something', prompt: 'Write a product description of 60 words for a handmade oak cutting board.' },
  {
    title: 'Understand something',
    prompt: 'Explain the difference between a lease and a freehold to someone buying a first home.',
  },
  { title: 'Build something', prompt: 'Write a TypeScript function that groups a list of orders by customer.' },
];

const pullCommand = 'freehold pull smollm2-135m';

/** @param model undefined where the server has no model yet */
export function EmptyState({ model, onAsk }: { model: ModelInfo | undefined; onAsk: (prompt: string) => void }) {
  return (
    <div className="min-h-0 flex-1 overflow-y-auto sm:[scrollbar-gutter:stable_both-edges]">
      <div className="@container mx-auto flex min-h-full max-w-3xl flex-col justify-center px-4 py-8 sm:px-6">
        <Mark className="size-11" />
        <h1 className="mt-5 text-2xl font-semibold tracking-tight sm:text-3xl">Freehold</h1>
        {model ? <Suggestions model={model} onAsk={onAsk} /> : <NoModel />}
      </div>
    </div>
  );
}

function Suggestions({ model, onAsk }: { model: ModelInfo; onAsk: (prompt: string) => void }) {
  const name = model.resolvesTo ?? model.id;
  return (
    <>
      <p className="mt-2 text-soft">
        {name === 'default' ? (
          'The default model of this server'
        ) : (
          <strong className="font-semibold text-ink">{name}</strong>
        )}{' '}
        will answer, on a machine that is yours.
      </p>
      <h2 className="mt-9 text-sm font-medium text-soft">Try one of these</h2>
      <ul className="mt-3 grid gap-2.5 @2xl:grid-cols-3 @2xl:gap-3">
        {suggestions.map(({ title, prompt }) => (
          <li key={title}>
            <button
              type="button"
              onClick={() => onAsk(prompt)}
              className="flex h-full w-full flex-col rounded-xl border border-line px-4 py-3 text-left text-sm transition-colors hover:border-line-strong hover:bg-side @2xl:py-4"
            >
              <span className="font-medium">{title}</span>
              <span className="mt-1 leading-relaxed text-soft">{prompt}</span>
            </button>
          </li>
        ))}
      </ul>
    </>
  );
}

function NoModel() {
  return (
    <div className="mt-2 max-w-md text-soft">
      <p>No model is on this machine yet. Fetch a small one in the terminal, then ask away:</p>
      <div className="mt-3 flex items-center gap-1 rounded-lg bg-code py-1 pr-1 pl-3 text-sm">
        <code className="min-w-0 flex-1 font-mono text-ink">{pullCommand}</code>
        <CopyButton text={pullCommand} label="Copy the command" />
      </div>
    </div>
  );
}
