// A person's message. The last one can be changed and sent again, which replaces the answer.
import { memo, useState } from 'react';
import { IconButton, TextButton } from '../ui/button.tsx';
import { CopyButton } from '../ui/copy-button.tsx';
import { EditIcon } from '../ui/icons.tsx';
import type { Question } from './conversations.ts';
import { isSendKey } from './send-key.ts';

interface QuestionViewProps {
  question: Question;
  editing: boolean;
  /** Absent where the question cannot be changed. */
  onEdit?: (() => void) | undefined;
  onCancel: () => void;
  onSend: (text: string) => void;
}

export const QuestionView = memo(function QuestionView({
  question,
  editing,
  onEdit,
  onCancel,
  onSend,
}: QuestionViewProps) {
  if (editing) return <QuestionEditor text={question.text} onCancel={onCancel} onSend={onSend} />;
  return (
    <article aria-label="You" className="group flex flex-col items-end">
      <div className="max-w-[85%] rounded-2xl bg-bubble px-4 py-2.5 leading-relaxed whitespace-pre-wrap [overflow-wrap:anywhere]">
        {question.text}
      </div>
      <div className="reveal mt-0.5 flex h-8 pointer-coarse:h-10">
        <CopyButton text={question.text} label="Copy the message" />
        {onEdit && (
          <IconButton small label="Edit and send again" onClick={onEdit}>
            <EditIcon className="size-4.5" />
          </IconButton>
        )}
      </div>
    </article>
  );
});

function QuestionEditor({
  text,
  onCancel,
  onSend,
}: {
  text: string;
  onCancel: () => void;
  onSend: (text: string) => void;
}) {
  const [draft, setDraft] = useState(text);
  const send = () => draft.trim() !== '' && onSend(draft.trim());
  return (
    <form
      className="rounded-2xl border border-line bg-bubble p-3"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      <textarea
        aria-label="Edit your message"
        value={draft}
        rows={Math.min(12, draft.split('\n').length + 1)}
        // biome-ignore lint/a11y/noAutofocus: it appears because the reader asked to edit
        autoFocus
        onFocus={(event) => event.target.setSelectionRange(draft.length, draft.length)}
        onChange={(event) => setDraft(event.target.value)}
        onKeyDown={(event) => {
          if (event.key === 'Escape') {
            event.stopPropagation();
            onCancel();
          } else if (isSendKey(event)) {
            event.preventDefault();
            send();
          }
        }}
        className="block field-sizing-content max-h-80 min-h-12 w-full resize-none bg-transparent px-1 leading-relaxed outline-none"
      />
      <div className="mt-2 flex justify-end gap-2">
        <TextButton onClick={onCancel}>Cancel</TextButton>
        <TextButton type="submit" look="primary" disabled={draft.trim() === ''}>
          Send
        </TextButton>
      </div>
    </form>
  );
}
