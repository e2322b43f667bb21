// The chat: list of conversations, the one on screen, the composer, and the keys that work everywhere
// (Escape stops an answer, Ctrl/Cmd+Shift+O begins a new chat).
import { useCallback, useEffect, useRef, useState, useSyncExternalStore } from 'react';
import { closeSession, listModels, type ModelInfo, type Session } from '../api/client.ts';
import { newId } from '../lib/ids.ts';
import { IconButton } from '../ui/button.tsx';
import { MenuIcon, NewChatIcon, SidebarIcon } from '../ui/icons.tsx';
import { type Notice, Toast } from '../ui/toast.tsx';
import {
  type ChatStore,
  ChatStoreProvider,
  createChatStore,
  useBusyConversations,
  useConversations,
} from './chat-store.ts';
import { Composer, type ComposerHandle } from './composer.tsx';
import { EmptyState } from './empty-state.tsx';
import { ModelPicker } from './model-picker.tsx';
import { readPreferences, writePreferences } from './preferences.ts';
import { SettingsButton } from './settings-panel.tsx';
import { Sidebar } from './sidebar.tsx';
import { Thread } from './thread.tsx';
import { useRoute } from './use-route.ts';

// One for the life of the page: signing out and in again must not lose an answer in progress.
let pageStore: ChatStore | undefined;
function getStore(): ChatStore {
  pageStore ??= createChatStore();
  return pageStore;
}

interface ChatPageProps {
  session: Session;
  onSignedOut: (reason?: string) => void;
}

export function ChatPage({ session, onSignedOut }: ChatPageProps) {
  const store = getStore();
  const conversations = useConversations(store);
  const busy = useBusyConversations(store);
  const [routeId, go] = useRoute();
  const [preferences, setPreferences] = useState(() => readPreferences(localStorage));
  const { models, problem, reload } = useModels();
  const narrow = useMediaQuery('(max-width: 767px)');
  const [sidebarOpen, setSidebarOpen] = useState(() => !matchMedia('(max-width: 767px)').matches);
  const [editing, setEditing] = useState<string>();
  const [notice, setNotice] = useState<Notice>();
  const composer = useRef<ComposerHandle>(null);

  const current = conversations.find(({ id }) => id === routeId);
  const answering = current !== undefined && busy.has(current.id);
  const notify = useCallback(
    (text: string, action?: Notice['action']) => setNotice({ id: Date.now(), text, action }),
    [],
  );

  const closeNotice = useCallback(() => setNotice(undefined), []);

  useEffect(() => {
    store.hooks.onSignedOut = () => onSignedOut('Your session has ended. Sign in again; your chats are still here.');
    store.hooks.onStorageFull = () =>
      notify("The browser's storage is full: this chat lasts as long as the page. Delete old chats to make room.");
  }, [store, notify, onSignedOut]);

  useEffect(() => writePreferences(localStorage, preferences), [preferences]);
  useEffect(() => setSidebarOpen(!narrow), [narrow]);
  useEffect(() => {
    document.title = current ? `${current.title} · Freehold` : 'Freehold';
  }, [current]);
  useEffect(() => {
    // an address of a conversation that is not (or no longer) here is a new chat
    if (routeId !== undefined && !current) go(undefined, 'replace');
  }, [routeId, current, go]);

  const open = (id: string | undefined) => {
    go(id);
    setEditing(undefined);
    if (narrow) setSidebarOpen(false);
    composer.current?.focus();
  };
  const startNew = () => open(undefined);

  const ask = (text: string) => {
    const id = current?.id ?? newId();
    void store.ask(id, text, preferences);
    if (!current) go(id);
  };
  const remove = (id: string) => {
    const deleted = store.delete(id);
    if (deleted) notify('Chat deleted.', { label: 'Undo', run: () => store.restore([deleted]) });
  };
  const removeAll = () => {
    const deleted = store.deleteAll();
    notify('All chats deleted.', { label: 'Undo', run: () => store.restore(deleted) });
  };
  const signOut = async () => {
    try {
      await closeSession();
      onSignedOut();
    } catch (error) {
      notify((error as Error).message);
    }
  };
  const editLast = () => setEditing(current?.messages.findLast(({ role }) => role === 'user')?.id);

  const onKey = useRef<(event: KeyboardEvent) => void>(undefined);
  onKey.current = (event) => {
    if (event.key === 'Escape' && !event.isComposing) {
      if (narrow && sidebarOpen) setSidebarOpen(false);
      else if (answering) store.live.stop(current.id);
    }
    if (event.key.toLowerCase() === 'o' && event.shiftKey && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      startNew();
    }
  };
  useEffect(() => {
    const listener = (event: KeyboardEvent) => onKey.current?.(event);
    addEventListener('keydown', listener);
    return () => removeEventListener('keydown', listener);
  }, []);

  const chosen = models.find(({ id }) => id === preferences.model) ?? { id: preferences.model };

  return (
    <ChatStoreProvider value={store}>
      <div className="flex h-dvh overflow-hidden">
        <button
          type="button"
          onClick={() => composer.current?.focus()}
          className="sr-only z-50 rounded-lg bg-accent px-4 py-2 text-on-accent focus:not-sr-only focus:absolute focus:top-2 focus:left-2"
        >
          Skip to the message box
        </button>
        <Sidebar
          session={session}
          conversations={conversations}
          current={current?.id}
          busy={busy}
          open={sidebarOpen}
          drawer={narrow}
          onClose={() => setSidebarOpen(false)}
          onOpen={open}
          onNew={startNew}
          onRename={store.rename}
          onDelete={remove}
          onDeleteAll={removeAll}
          onSignOut={signOut}
        />
        <div className="flex min-w-0 flex-1 flex-col" inert={narrow && sidebarOpen}>
          <header className="flex h-14 shrink-0 items-center gap-1 px-2 sm:px-3">
            <IconButton
              label={sidebarOpen ? 'Hide the list of chats' : 'Show the list of chats'}
              aria-expanded={sidebarOpen}
              onClick={() => setSidebarOpen(!sidebarOpen)}
            >
              {narrow ? <MenuIcon /> : <SidebarIcon />}
            </IconButton>
            <ModelPicker
              models={models}
              problem={problem}
              value={preferences.model}
              onChange={(model) => setPreferences({ ...preferences, model })}
              onOpen={reload}
            />
            <div className="flex-1" />
            <SettingsButton value={preferences} onChange={setPreferences} />
            {(narrow || !sidebarOpen) && (
              <IconButton label="New chat" onClick={startNew}>
                <NewChatIcon />
              </IconButton>
            )}
          </header>
          <main className="flex min-h-0 flex-1 flex-col">
            {current ? (
              <>
                <h1 className="sr-only">{current.title}</h1>
                <Thread
                  key={current.id}
                  conversation={current}
                  preferences={preferences}
                  editing={editing}
                  setEditing={setEditing}
                />
              </>
            ) : (
              <EmptyState model={models.length > 0 ? chosen : undefined} onAsk={ask} />
            )}
            <Composer
              key={current?.id ?? 'new'}
              ref={composer}
              draftId={current?.id ?? 'new'}
              answering={answering}
              onSend={ask}
              onStop={() => current && store.live.stop(current.id)}
              onEditLast={editLast}
            />
          </main>
        </div>
        <Toast notice={notice} onClose={closeNotice} />
      </div>
    </ChatStoreProvider>
  );
}

/** The served models; `default` stands in until they are loaded. */
function useModels() {
  const [models, setModels] = useState<ModelInfo[]>([{ id: 'default' }]);
  const [problem, setProblem] = useState<string>();
  const reload = useCallback(() => {
    listModels().then(
      (list) => {
        setModels(list);
        setProblem(undefined);
      },
      (error: Error) => setProblem(error.message),
    );
  }, []);
  useEffect(reload, [reload]);
  return { models, problem, reload };
}

function useMediaQuery(query: string): boolean {
  return useSyncExternalStore(
    (listener) => {
      const media = matchMedia(query);
      media.addEventListener('change', listener);
      return () => media.removeEventListener('change', listener);
    },
    () => matchMedia(query).matches,
  );
}
