// One route: what it does, fields to fill in, the command that does the same, and the answer as it comes.
import { type ReactNode, useRef, useState } from 'react';
import { formatDuration } from '../lib/format.ts';
import { TextButton } from '../ui/button.tsx';
import { CopyButton } from '../ui/copy-button.tsx';
import { curlOf, type Filled, problemOf } from './request.ts';
import { Method } from './route-list.tsx';
import type { Route } from './routes.ts';
import { type Answer, send } from './send.ts';

interface TryPanelProps {
  route: Route;
  apiKey: string;
  onApiKey: (key: string) => void;
}

const inputLook = 'h-9 w-full rounded-lg border border-line-strong bg-paper px-3 font-mono text-sm';

export function TryPanel({ route, apiKey, onApiKey }: TryPanelProps) {
  const [parameters, setParameters] = useState<Record<string, string>>({});
  const [fields, setFields] = useState<Record<string, string | File | undefined>>({});
  const [body, setBody] = useState(route.sample ?? '');
  const [answer, setAnswer] = useState<Answer>();
  const [failure, setFailure] = useState<string>();
  const running = useRef<AbortController>(undefined);
  const [busy, setBusy] = useState(false);

  const filled: Filled = { route, parameters, body, fields };
  const problem = problemOf(filled);
  const curl = curlOf(filled, window.location.origin);

  const run = async () => {
    running.current?.abort();
    const abort = new AbortController();
    running.current = abort;
    setAnswer(undefined);
    setFailure(undefined);
    setBusy(true);
    try {
      await send(filled, apiKey.trim(), abort.signal, (now) => {
        if (running.current === abort) setAnswer(now);
      });
    } catch (error) {
      if (running.current === abort) {
        setFailure(abort.signal.aborted ? 'Stopped.' : `No answer came: ${(error as Error).message}`);
      }
    }
    if (running.current === abort) setBusy(false);
  };

  return (
    <div className="mx-auto max-w-4xl px-4 py-6 md:px-8 md:py-8">
      <h2 className="break-all font-mono font-semibold text-lg">
        <Method method={route.method} /> {route.path}
      </h2>
      <p className="mt-1 font-medium">{route.summary}</p>
      <p className="mt-1 text-sm text-soft">{plain(`${route.description} Answer: ${route.answer}`)}</p>

      <form
        className="mt-6 grid gap-4"
        onSubmit={(event) => {
          event.preventDefault();
          if (problem === undefined) void run();
        }}
      >
        {route.needsKey && (
          <Field label="Key" hint="Kept in this page only. Empty: your sign-in here, if there is one.">
            <input
              type="password"
              autoComplete="off"
              spellCheck={false}
              placeholder="fh_…"
              value={apiKey}
              onChange={(event) => onApiKey(event.target.value)}
              className={inputLook}
            />
          </Field>
        )}
        {route.parameters.map(({ name, in: place, description }) => (
          <Field key={name} label={name} hint={description ?? `In the ${place}.`}>
            <input
              value={parameters[name] ?? ''}
              spellCheck={false}
              onChange={(event) => setParameters({ ...parameters, [name]: event.target.value })}
              className={inputLook}
            />
          </Field>
        ))}
        {route.form.map(({ name, file }) => (
          <Field key={name} label={name} hint={file ? 'A file of this machine.' : ''}>
            {file ? (
              <input
                type="file"
                onChange={(event) => setFields({ ...fields, [name]: event.target.files?.[0] })}
                className="text-sm"
              />
            ) : (
              <input
                value={(fields[name] as string | undefined) ?? ''}
                onChange={(event) => setFields({ ...fields, [name]: event.target.value })}
                className={inputLook}
              />
            )}
          </Field>
        ))}
        {route.sample !== undefined && (
          <Field label="Body" hint="JSON. Send it with Ctrl or ⌘ and Enter.">
            <textarea
              value={body}
              spellCheck={false}
              rows={Math.min(24, Math.max(6, body.split('\n').length + 1))}
              aria-invalid={problem !== undefined}
              onChange={(event) => setBody(event.target.value)}
              onKeyDown={(event) => {
                if (event.key === 'Enter' && (event.ctrlKey || event.metaKey))
                  event.currentTarget.form?.requestSubmit();
              }}
              className="w-full rounded-lg border border-line-strong bg-code p-3 font-mono text-sm leading-relaxed"
            />
          </Field>
        )}
        <div className="flex flex-wrap items-center gap-3">
          <TextButton look="primary" type="submit" disabled={problem !== undefined}>
            Send
          </TextButton>
          {busy && <TextButton onClick={() => running.current?.abort()}>Stop</TextButton>}
          <p role="status" className="min-w-0 flex-1 text-danger text-sm">
            {problem}
          </p>
        </div>
      </form>

      {failure && (
        <p role="alert" className="mt-6 text-danger text-sm">
          {failure}
        </p>
      )}
      {answer && (
        <Block title={`Answer: ${factsOf(answer)}`} copy={answer.text}>
          {answer.text === '' && answer.done ? 'Nothing.' : answer.text}
        </Block>
      )}
      <Block title="The same with curl" copy={curl}>
        {curl}
      </Block>
    </div>
  );
}

function factsOf({ status, statusText, contentType, bytes, milliseconds, done }: Answer): string {
  const state = done ? formatDuration(milliseconds) : 'coming in …';
  return [`${status} ${statusText}`.trim(), contentType.split(';')[0], `${bytes} bytes`, state]
    .filter(Boolean)
    .join(' · ');
}

/** The document marks code as Markdown does; here it is words. */
const plain = (text: string) => text.replaceAll('`', '').trim();

function Field({ label, hint, children }: { label: string; hint: string; children: ReactNode }) {
  return (
    // biome-ignore lint/a11y/noLabelWithoutControl: the control is given as the child
    <label className="grid gap-1.5">
      <span className="flex flex-wrap items-baseline gap-x-2">
        <span className="font-medium text-sm">{label}</span>
        <span className="text-soft text-xs">{hint}</span>
      </span>
      {children}
    </label>
  );
}

function Block({ title, copy, children }: { title: string; copy: string; children: ReactNode }) {
  return (
    <section className="mt-6" aria-label={title.split(':')[0]}>
      <header className="flex items-center justify-between gap-2">
        <h3 className="font-medium text-sm">{title}</h3>
        <CopyButton text={copy} label="Copy" />
      </header>
      <pre className="mt-1 max-h-[32rem] overflow-auto whitespace-pre-wrap break-words rounded-lg border border-line bg-code p-3 font-mono text-[0.8125rem] leading-relaxed">
        {children}
      </pre>
    </section>
  );
}
