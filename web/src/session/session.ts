// Finds out who is signed in. A link such as `http://host:8080/#token=…` signs in by itself: the token travels in the
// fragment, which browsers send to no server and write into no referrer, and it is removed from the address at once.
import { ApiError, getSession, openSession, type Session } from '../api/client.ts';

export type SessionState =
  | { state: 'loading' }
  | { state: 'signed-in'; session: Session }
  | { state: 'signed-out'; reason?: string }
  | { state: 'unreachable'; message: string };

/** The one-time token of a sign-in link; undefined when the fragment holds none. */
export function tokenOf(hash: string): string | undefined {
  return new URLSearchParams(hash.replace(/^#/, '')).get('token') || undefined;
}

export async function findSession(): Promise<SessionState> {
  const token = tokenOf(location.hash);
  if (token) history.replaceState(null, '', location.pathname + location.search);
  let reason: string | undefined;
  try {
    if (token) {
      try {
        await openSession({ token });
      } catch (error) {
        if (!(error instanceof ApiError) || error.status >= 500 || error.status === 0) throw error;
        // a used link in the browser's history is no problem when the cookie it once gave still holds
        reason = error.message;
      }
    }
    const session = await getSession();
    return session ? { state: 'signed-in', session } : { state: 'signed-out', reason };
  } catch (error) {
    return { state: 'unreachable', message: (error as Error).message };
  }
}
