// The list of conversations: new, search, rename, delete; at its foot who is signed in and the theme.
// A column beside the chat on wide screens, a drawer over it on narrow ones.
import { useEffect, useRef, useState } from 'react';
import type { Session } from '../api/client.ts';
import { ageGroup } from '../lib/format.ts';
import { IconButton, TextButton } from '../ui/button.tsx';
import { CloseIcon, EditIcon, Mark, MoreIcon, NewChatIcon, SearchIcon, TrashIcon, UserIcon } from '../ui/icons.tsx';
import { Menu, MenuItem } from '../ui/popover.tsx';
import { ThemeSwitch } from '../ui/theme-switch.tsx';
import { type Conversation, type Conversations, searchConversations } from './conversations.ts';

interface SidebarProps {
  session: Session;
  conversations: Conversations;
  current: string | undefined;
  busy: ReadonlySet<string>;
  /** As a drawer: whether it is drawn out. As a column: whether it is shown. */
  open: boolean;
  drawer: boolean;
  onClose: () => void;
  onOpen: (id: string) => void;
  onNew: () => void;
  onRename: (id: string, title: string) => void;
  onDelete: (id: string) => void;
  onDeleteAll: () => void;
  onSignOut: () => void;
}

export function Sidebar(props: SidebarProps) {
  const { session, conversations, current, busy, open, drawer, onClose, onNew, onDelete, onDeleteAll, onSignOut } =
    props;
  const [query, setQuery] = useState('');
  const panel = useRef<HTMLElement>(null);
  const found = searchConversations(conversations, query);
  const now = Date.now();

  useEffect(() => {
    if (!drawer || !open) return;
    const before = document.activeElement as HTMLElement | null;
    panel.current?.querySelector<HTMLElement>('button')?.focus({ preventScroll: true });
    return () => before?.focus({ preventScroll: true });
  }, [drawer, open]);

  const remove = (id: string) => {
    onDelete(id);
    // the row that had the focus is gone
    requestAnimationFrame(() => {
      const next = panel.current?.querySelector<HTMLElement>('[aria-current]') ?? panel.current?.querySelector('a');
      (next ?? panel.current?.querySelector('button'))?.focus();
    });
  };

  return (
    <>
      {drawer && open && <div className="fixed inset-0 z-30 bg-shade" onPointerDown={onClose} aria-hidden="true" />}
      <nav
        ref={panel}
        aria-label="Chats"
        inert={!open}
        className={`flex w-72 flex-col border-r border-line bg-side ${
          drawer
            ? `fixed inset-y-0 left-0 z-40 max-w-[85vw] transition-[translate,visibility] duration-200 ${open ? 'shadow-xl' : 'invisible -translate-x-full'}`
            : open
              ? 'h-full shrink-0'
              : 'hidden'
        }`}
      >
        <div className="flex h-14 shrink-0 items-center gap-2.5 px-4">
          <Mark className="size-7" />
          <span className="flex-1 font-semibold">Freehold</span>
          {drawer && (
            <IconButton label="Close the list of chats" onClick={onClose} className="-mr-2">
              <CloseIcon />
            </IconButton>
          )}
        </div>
        <div className="flex flex-col gap-2 px-3 pb-2">
          <TextButton onClick={onNew} className="justify-start bg-raised">
            <NewChatIcon className="size-4.5" />
            New chat
          </TextButton>
          <div className="relative">
            <SearchIcon className="pointer-events-none absolute top-1/2 left-3 size-4 -translate-y-1/2 text-soft" />
            <input
              type="search"
              aria-label="Search chats"
              placeholder="Search"
              value={query}
              onChange={(event) => setQuery(event.target.value)}
              className="h-9 w-full rounded-lg border border-transparent bg-transparent pr-2 pl-9 text-base hover:bg-bubble focus:border-line-strong focus:bg-paper sm:text-sm pointer-coarse:h-11"
            />
          </div>
        </div>
        <div className="min-h-0 flex-1 overflow-y-auto px-3 pb-4">
          {found.length === 0 && (
            <p className="px-3 py-4 text-sm text-soft">
              {conversations.length === 0 ? 'Your chats will be listed here.' : `No chat contains “${query.trim()}”.`}
            </p>
          )}
          {groupByAge(found, now).map(([age, group]) => (
            <section key={age} aria-label={age}>
              <h2 className="px-3 pt-4 pb-1 text-xs font-medium text-soft">{age}</h2>
              <ul className="flex flex-col gap-px">
                {group.map((conversation) => (
                  <Row
                    key={conversation.id}
                    {...props}
                    onDelete={remove}
                    conversation={conversation}
                    isCurrent={conversation.id === current}
                    isBusy={busy.has(conversation.id)}
                  />
                ))}
              </ul>
            </section>
          ))}
        </div>
        <div className="shrink-0 border-t border-line px-3 pt-2.5 pb-[max(0.625rem,env(safe-area-inset-bottom))]">
          <p className="px-2 pb-1.5 text-xs text-soft">Chats are kept in this browser.</p>
          <div className="flex items-center justify-between gap-2">
            <Menu
              label="Account"
              placement="absolute bottom-full left-0 mb-1 w-56 p-1.5"
              className="min-w-0"
              trigger={(trigger) => (
                <button
                  type="button"
                  {...trigger}
                  className="flex h-9 max-w-full min-w-0 items-center gap-2 rounded-lg px-2 text-sm hover:bg-bubble pointer-coarse:h-11"
                >
                  <UserIcon className="size-4.5 text-soft" />
                  <span className="truncate">{session.name}</span>
                </button>
              )}
            >
              {(close) => (
                <>
                  <p className="px-2.5 py-1.5 text-xs text-soft">Signed in as {session.role}</p>
                  {conversations.length > 0 && (
                    <MenuItem
                      danger
                      onSelect={() => {
                        close();
                        onDeleteAll();
                      }}
                    >
                      Delete all chats
                    </MenuItem>
                  )}
                  <MenuItem onSelect={onSignOut}>Sign out</MenuItem>
                </>
              )}
            </Menu>
            <ThemeSwitch />
          </div>
        </div>
      </nav>
    </>
  );
}

function groupByAge(conversations: Conversations, now: number): [string, Conversation[]][] {
  const groups = new Map<string, Conversation[]>();
  for (const conversation of conversations) {
    const age = ageGroup(conversation.updatedAt, now);
    groups.set(age, [...(groups.get(age) ?? []), conversation]);
  }
  return [...groups];
}

interface RowProps extends Pick<SidebarProps, 'onOpen' | 'onRename' | 'onDelete'> {
  conversation: Conversation;
  isCurrent: boolean;
  isBusy: boolean;
}

function Row({ conversation: { id, title }, isCurrent, isBusy, onOpen, onRename, onDelete }: RowProps) {
  const [renaming, setRenaming] = useState(false);
  if (renaming) {
    const finish = (value: string | undefined) => {
      if (value !== undefined) onRename(id, value);
      setRenaming(false);
    };
    return (
      <li>
        <input
          aria-label="New title"
          defaultValue={title}
          // biome-ignore lint/a11y/noAutofocus: it appears because the reader asked to rename
          autoFocus
          onFocus={(event) => event.target.select()}
          onBlur={(event) => finish(event.target.value)}
          onKeyDown={(event) => {
            if (event.key === 'Enter' && !event.nativeEvent.isComposing) finish(event.currentTarget.value);
            if (event.key === 'Escape') {
              event.stopPropagation();
              finish(undefined);
            }
          }}
          className="h-9 w-full rounded-lg border border-line-strong bg-paper px-3 text-base sm:text-sm"
        />
      </li>
    );
  }
  return (
    <li className={`group relative flex items-center rounded-lg ${isCurrent ? 'bg-tint' : 'hover:bg-bubble'}`}>
      <a
        href={`/c/${id}`}
        aria-current={isCurrent ? 'page' : undefined}
        title={title}
        onClick={(event) => {
          if (event.metaKey || event.ctrlKey || event.shiftKey) return;
          event.preventDefault();
          onOpen(id);
        }}
        className="flex h-9 min-w-0 flex-1 items-center gap-2 rounded-lg pl-3 text-sm pointer-coarse:h-11"
      >
        <span className="truncate">{title}</span>
        {isBusy && (
          <span role="img" className="breathing size-2 shrink-0 rounded-full bg-accent" aria-label="answering" />
        )}
      </a>
      <Menu
        label={`Actions for ${title}`}
        placement="absolute top-full right-0 w-40 p-1.5"
        className="reveal data-open:opacity-100"
        trigger={(trigger) => (
          <IconButton small label={`Rename or delete ${title}`} {...trigger} className="hover:bg-transparent">
            <MoreIcon className="size-4.5" />
          </IconButton>
        )}
      >
        {(close) => (
          <>
            <MenuItem
              onSelect={() => {
                close();
                setRenaming(true);
              }}
            >
              <EditIcon className="size-4.5" />
              Rename
            </MenuItem>
            <MenuItem danger onSelect={() => onDelete(id)}>
              <TrashIcon className="size-4.5" />
              Delete
            </MenuItem>
          </>
        )}
      </Menu>
    </li>
  );
}
