// Joining turns: both vendors take several messages of one role in a row, most chat templates do not.
import type { Block, Message } from '../lib/text-model.ts';

/** Merges consecutive turns of one role, a blank line between their texts. Turns without content vanish. */
export function mergeTurns(messages: readonly Message[]): Message[] {
  const merged: Message[] = [];
  for (const { role, content } of messages) {
    const last = merged.at(-1);
    if (content.length === 0) continue;
    if (last?.role !== role) merged.push({ role, content: [...content] });
    else last.content.push(...apart(last.content.at(-1), content));
  }
  return merged;
}

function apart(before: Block | undefined, content: Block[]): Block[] {
  const [first, ...rest] = content;
  if (before?.type !== 'text' || first?.type !== 'text') return content;
  return [{ type: 'text', text: `\n\n${first.text}` }, ...rest];
}
