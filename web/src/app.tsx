// The page's outermost part: signs in, then shows the chat. Later pages (models, runs, keys, usage) get their place here.
import { useCallback, useEffect, useState } from 'react';
import { ChatPage } from './chat/chat-page.tsx';
import { findSession, type SessionState, tokenOf } from './session/session.ts';
import { SignIn } from './session/sign-in.tsx';
import { TextButton } from './ui/button.tsx';
import { Mark } from './ui/icons.tsx';

// Asked once, before the first render: a sign-in token works only once.
let firstLook: Promise<SessionState> | undefined;

export function App() {
  const [session, setSession] = useState<SessionState>({ state: 'loading' });
  const look = useCallback(() => void findSession().then(setSession), []);
  const onSignedOut = useCallback((reason?: string) => setSession({ state: 'signed-out', reason }), []);

  useEffect(() => {
    firstLook ??= findSession();
    void firstLook.then(setSession);
    // a sign-in link opened where the page is already shown changes only the fragment
    const onHash = () => tokenOf(location.hash) && look();
    addEventListener('hashchange', onHash);
    return () => removeEventListener('hashchange', onHash);
  }, [look]);

  switch (session.state) {
    case 'loading':
      return (
        <main className="flex h-full items-center justify-center" aria-busy="true">
          <Mark className="size-10 breathing" />
          <span className="sr-only">Freehold is loading</span>
        </main>
      );
    case 'signed-out':
      return <SignIn reason={session.reason} onSignedIn={look} />;
    case 'unreachable':
      return (
        <main className="flex h-full flex-col items-center justify-center gap-4 px-6 text-center">
          <Mark className="size-10" />
          <h1 className="text-xl font-semibold">Freehold does not answer</h1>
          <p role="alert" className="max-w-md text-soft">
            {session.message}
          </p>
          <TextButton look="primary" onClick={look}>
            Try again
          </TextButton>
        </main>
      );
    case 'signed-in':
      return <ChatPage session={session.session} onSignedOut={onSignedOut} />;
    default:
      return session satisfies never;
  }
}
