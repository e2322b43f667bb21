// A model's answer: while it is written, when it is done, stopped or failed; under it what it took to write and what can be done.
import { memo, useEffect, useState } from 'react';
import { formatDuration, formatRate, formatTokens } from '../lib/format.ts';
import { IconButton, TextButton } from '../ui/button.tsx';
import { CopyButton } from '../ui/copy-button.tsx';
import { RetryIcon, WarningIcon } from '../ui/icons.tsx';
import { useLiveAnswer } from './chat-store.ts';
import type { Answer } from './conversations.ts';
import type { LiveAnswer } from './live-answers.ts';
import { Markdown } from './markdown.tsx';

interface AnswerViewProps {
  answer: Answer;
  last: boolean;
  onRetry: () => void;
}

export const AnswerView = memo(function AnswerView({ answer, last, onRetry }: AnswerViewProps) {
  const live = useLiveAnswer(answer.id);
  const streaming = answer.status === 'streaming';
  const { text, thinking } = live ?? answer;
  return (
    <article aria-label="Answer" aria-busy={streaming} className="group">
      {thinking && <Thinking text={thinking} open={streaming && text === ''} />}
      {text !== '' && <Markdown text={text} streaming={streaming} />}
      {answer.status === 'done' && text === '' && (
        <p className="text-soft">The model ended its answer without a word.</p>
      )}
      {live && <Progress live={live} />}
      {answer.status === 'failed' && (
        <Failure answer={answer} onRetry={onRetry} canRetry={last && answer.error?.retryable !== false} />
      )}
      {!streaming && <Footer answer={answer} last={last} onRetry={onRetry} />}
    </article>
  );
});

function Thinking({ text, open }: { text: string; open: boolean }) {
  return (
    <details open={open} className="mb-3 text-sm text-soft">
      <summary className="w-fit rounded py-1">{open ? 'Thinking …' : 'Thoughts'}</summary>
      <div className="mt-1 border-l-2 border-line pl-4 leading-relaxed whitespace-pre-wrap [overflow-wrap:anywhere]">
        {text}
      </div>
    </details>
  );
}

/** A sign of life: before the first words also for how long. */
function Progress({ live }: { live: LiveAnswer }) {
  const waiting = live.firstTextAtMs === undefined;
  const [seconds, setSeconds] = useState(0);
  useEffect(() => {
    if (!waiting) return;
    const timer = setInterval(() => setSeconds(Math.floor((performance.now() - live.startedAtMs) / 1000)), 500);
    return () => clearInterval(timer);
  }, [waiting, live.startedAtMs]);
  return (
    <div className="flex h-10 items-center gap-2.5 text-sm text-soft" aria-hidden="true">
      <span className="breathing size-2.5 rounded-full bg-accent" />
      {waiting && seconds >= 2 && <span>Waiting for the first word, {seconds} s</span>}
    </div>
  );
}

function Failure({ answer, canRetry, onRetry }: { answer: Answer; canRetry: boolean; onRetry: () => void }) {
  return (
    <div
      role="alert"
      className="mt-3 flex flex-wrap items-center gap-x-4 gap-y-2 rounded-xl border border-danger-line bg-danger-tint px-4 py-3 text-sm"
    >
      <WarningIcon className="size-5 text-danger" />
      <p className="min-w-0 flex-1 basis-52 leading-relaxed [overflow-wrap:anywhere]">{answer.error?.message}</p>
      {canRetry && (
        <TextButton look="danger" onClick={onRetry}>
          Retry
        </TextButton>
      )}
    </div>
  );
}

function Footer({ answer, last, onRetry }: { answer: Answer; last: boolean; onRetry: () => void }) {
  const { status, text, stopReason } = answer;
  return (
    <footer className="mt-2">
      <div className="flex min-h-8 items-center gap-x-3">
        <Facts answer={answer} />
        <div className={`-ml-1.5 flex shrink-0 ${last ? '' : 'reveal'}`}>
          {text !== '' && <CopyButton text={text} label="Copy the answer" />}
          {last && status !== 'failed' && (
            <IconButton small label="Answer again" onClick={onRetry}>
              <RetryIcon className="size-4.5" />
            </IconButton>
          )}
        </div>
      </div>
      {stopReason && stopNotes[stopReason] && <p className="text-sm text-soft">{stopNotes[stopReason]}</p>}
    </footer>
  );
}

/** Said of answers that did not end where the model wanted to. */
const stopNotes: Record<string, string> = {
  max_tokens: 'It ended at the limit of tokens for one answer, which the settings can raise.',
  model_context_window_exceeded: "It ended because the model's context is full. A new chat starts afresh.",
};

function Facts({ answer: { status, model, stats = {} } }: { answer: Answer }) {
  const { tokensPerSecond, timeToFirstTokenMs, outputTokens } = stats;
  const facts = [
    { key: 'model', text: model, title: 'The model that answered' },
    {
      key: 'stopped',
      text: status === 'stopped' ? 'stopped' : undefined,
      title: 'The answer was stopped before its end',
    },
    { key: 'rate', text: tokensPerSecond && formatRate(tokensPerSecond), title: 'How fast it was written' },
    {
      key: 'first',
      text: timeToFirstTokenMs !== undefined && `first token ${formatDuration(timeToFirstTokenMs)}`,
      title: 'Time from the question to the first token of the answer',
    },
    { key: 'tokens', text: outputTokens !== undefined && formatTokens(outputTokens), title: 'Length of the answer' },
  ].filter(({ text }) => text);
  return (
    <ul aria-label="About this answer" className="flex flex-wrap gap-x-3 text-xs text-soft tabular-nums">
      {facts.map(({ key, text, title }) => (
        <li key={key} title={title} className={key === 'model' ? 'font-medium' : ''}>
          {text}
        </li>
      ))}
    </ul>
  );
}
