// The address: `/` is a new chat, `/c/<id>` a conversation. The server answers every such path with the same page.
import { useCallback, useSyncExternalStore } from 'react';

const listeners = new Set<() => void>();
const subscribe = (listener: () => void) => {
  listeners.add(listener);
  addEventListener('popstate', listener);
  return () => {
    listeners.delete(listener);
    removeEventListener('popstate', listener);
  };
};

/** The conversation the address names, if any, and how to go to another (undefined: a new chat). */
export function useRoute(): [
  conversationId: string | undefined,
  go: (id: string | undefined, how?: 'push' | 'replace') => void,
] {
  const path = useSyncExternalStore(subscribe, () => location.pathname);
  const go = useCallback((id: string | undefined, how: 'push' | 'replace' = 'push') => {
    const next = id === undefined ? '/' : `/c/${id}`;
    if (next === location.pathname) return;
    if (how === 'push') history.pushState(null, '', next);
    else history.replaceState(null, '', next);
    for (const listener of listeners) listener();
  }, []);
  return [/^\/c\/([\w-]+)$/.exec(path)?.[1], go];
}
