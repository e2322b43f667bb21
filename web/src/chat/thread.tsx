// The conversation on screen: its messages in a column that follows a growing answer.
import { useCallback, useEffect, useLayoutEffect, useState } from 'react';
import { ArrowDownIcon } from '../ui/icons.tsx';
import { AnswerView } from './answer-view.tsx';
import { useChatStore } from './chat-store.ts';
import type { Answer, Conversation } from './conversations.ts';
import type { Preferences } from './preferences.ts';
import { QuestionView } from './question-view.tsx';
import { useStickToBottom } from './use-stick-to-bottom.ts';

interface ThreadProps {
  conversation: Conversation;
  preferences: Preferences;
  /** Id of the question being edited. */
  editing: string | undefined;
  setEditing: (questionId: string | undefined) => void;
}

export function Thread({ conversation, preferences, editing, setEditing }: ThreadProps) {
  const store = useChatStore();
  const { scroller, content, atBottom, toBottom } = useStickToBottom();
  const { id, messages } = conversation;
  const lastQuestion = messages.findLast(({ role }) => role === 'user');
  const last = messages.at(-1);
  const streaming = last?.role === 'assistant' && last.status === 'streaming';

  // a new question, or another conversation, begins at its end
  // biome-ignore lint/correctness/useExhaustiveDependencies: the ids are what it waits for
  useLayoutEffect(() => toBottom(), [id, last?.id, toBottom]);

  const retry = useCallback(() => void store.retry(id, preferences), [store, id, preferences]);
  const cancelEdit = useCallback(() => setEditing(undefined), [setEditing]);
  const lastQuestionId = lastQuestion?.id;
  const beginEdit = useCallback(() => setEditing(lastQuestionId), [setEditing, lastQuestionId]);
  const sendEdit = useCallback(
    (text: string) => {
      setEditing(undefined);
      if (lastQuestionId) void store.edit(id, lastQuestionId, text, preferences);
    },
    [store, id, lastQuestionId, preferences, setEditing],
  );

  return (
    <div className="relative min-h-0 flex-1">
      <div ref={scroller} className="h-full overflow-y-auto overscroll-contain sm:[scrollbar-gutter:stable_both-edges]">
        <div
          ref={content}
          role="log"
          aria-busy={streaming}
          aria-label="Conversation"
          className="mx-auto flex max-w-3xl flex-col gap-4 px-4 pt-4 pb-8 sm:px-6"
        >
          {messages.map((message) =>
            message.role === 'user' ? (
              <QuestionView
                key={message.id}
                question={message}
                editing={editing === message.id}
                onEdit={message === lastQuestion ? beginEdit : undefined}
                onCancel={cancelEdit}
                onSend={sendEdit}
              />
            ) : (
              <AnswerView key={message.id} answer={message} last={message === last} onRetry={retry} />
            ),
          )}
        </div>
      </div>
      <div className="pointer-events-none absolute inset-x-0 bottom-0 h-4 bg-linear-to-t from-paper to-transparent" />
      {!atBottom && (
        <button
          type="button"
          onClick={() => toBottom('smooth')}
          className="absolute bottom-3 left-1/2 flex h-9 -translate-x-1/2 items-center gap-1.5 rounded-full border border-line bg-raised pr-4 pl-3 text-sm shadow-md hover:bg-bubble pointer-coarse:h-11"
        >
          <ArrowDownIcon className="size-4" />
          Jump to latest
        </button>
      )}
      <AnswerStatus status={last?.role === 'assistant' ? last.status : undefined} />
    </div>
  );
}

/** How an answer's end sounds; a failure is an alert of its own. */
const endings = { done: 'The answer is complete.', stopped: 'The answer was stopped.', failed: '' };

/** Tells screen readers that an answer has begun and ended; its words are read from the log once it is complete. */
function AnswerStatus({ status }: { status: Answer['status'] | undefined }) {
  const streaming = status === 'streaming';
  const [text, setText] = useState('');
  const [was, setWas] = useState(streaming);
  useEffect(() => {
    if (streaming !== was) {
      setWas(streaming);
      if (status === undefined) setText('');
      else setText(status === 'streaming' ? 'The model is answering.' : endings[status]);
    }
  }, [status, streaming, was]);
  return (
    <p role="status" aria-live="polite" className="sr-only">
      {text}
    </p>
  );
}
