// The door: an API key is pasted and exchanged for a session cookie. The key itself is not kept in the page.
import { type FormEvent, useState } from 'react';
import { openSession } from '../api/client.ts';
import { TextButton } from '../ui/button.tsx';
import { CopyButton } from '../ui/copy-button.tsx';
import { Mark, WarningIcon } from '../ui/icons.tsx';

const keyCommand = ['freehold keys create', '--name me', '--role member'];

export function SignIn({ reason, onSignedIn }: { reason?: string; onSignedIn: () => void }) {
  const [key, setKey] = useState('');
  const [problem, setProblem] = useState(reason);
  const [busy, setBusy] = useState(false);

  const signIn = async (event: FormEvent) => {
    event.preventDefault();
    if (key.trim() === '') return setProblem('Paste a key first; it begins with fh_.');
    setBusy(true);
    setProblem(undefined);
    try {
      await openSession({ key: key.trim() });
      onSignedIn();
    } catch (error) {
      setProblem((error as Error).message);
      setBusy(false);
    }
  };

  return (
    <main className="flex min-h-full flex-col items-center justify-center bg-side px-4 py-10">
      <div className="w-full max-w-md rounded-2xl border border-line bg-raised p-6 shadow-sm sm:p-8">
        <Mark className="size-10" />
        <h1 className="mt-5 text-xl font-semibold">Sign in to Freehold</h1>
        <p className="mt-1.5 text-sm text-soft">
          This server runs on a machine you or your company own. It opens with a key.
        </p>
        <form onSubmit={signIn} className="mt-6">
          {/* gives password managers a name to keep the key under */}
          <input type="text" name="username" autoComplete="username" value="Freehold" readOnly hidden />
          <label htmlFor="key" className="text-sm font-medium">
            API key
          </label>
          <input
            id="key"
            name="key"
            type="password"
            autoComplete="current-password"
            spellCheck={false}
            placeholder="fh_…"
            value={key}
            onChange={(event) => setKey(event.target.value)}
            aria-invalid={problem !== undefined}
            aria-describedby={problem ? 'key-problem' : undefined}
            className="mt-1.5 h-11 w-full rounded-lg border border-line-strong bg-paper px-3 font-mono text-base"
          />
          {problem && (
            <p id="key-problem" role="alert" className="mt-2 flex gap-2 text-sm text-danger">
              <WarningIcon className="mt-0.5 size-4" />
              <span>{problem}</span>
            </p>
          )}
          <TextButton type="submit" look="primary" disabled={busy} className="mt-4 h-11 w-full">
            {busy ? 'Signing in …' : 'Sign in'}
          </TextButton>
        </form>
        <div className="mt-6 border-t border-line pt-5 text-sm text-soft">
          <p>
            The first key was printed in the terminal when Freehold started for the first time. To make another, run
            there:
          </p>
          <div className="mt-2 flex items-center gap-1 rounded-lg bg-code py-1 pr-1 pl-3">
            <code className="flex min-w-0 flex-1 flex-wrap gap-x-[1ch] font-mono text-xs leading-relaxed whitespace-nowrap text-ink">
              {keyCommand.map((part) => (
                <span key={part}>{part}</span>
              ))}
            </code>
            <CopyButton text={keyCommand.join(' ')} label="Copy the command" />
          </div>
        </div>
      </div>
    </main>
  );
}
