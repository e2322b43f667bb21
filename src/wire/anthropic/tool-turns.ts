// Whether the calls of tools in a conversation and their results belong together, as the vendor demands: each call is
// answered in the turn right after it, once, and no result comes without its call. Several messages of one role are one
// turn. A conversation that breaks this would reach the model with a call it never hears of again. Pure.

import { invalid, type Path } from './errors-at.ts';
import { callId } from './ids.ts';
import type { GivenMessage } from './schema.ts';

/** @throws FreeholdError invalid_request, naming the message or block at fault */
export function requirePairs(messages: readonly GivenMessage[]): void {
  const known = new Set<string>();
  /** Calls of the assistant's last turn that have no result yet, as the caller spelled them. */
  let open = new Map<string, string>();
  let answered = new Set<string>();
  let callsAt = 0;
  let before: string | undefined;
  messages.forEach(({ role, content }, index) => {
    if (role === 'system') return;
    if (role === 'assistant' && before !== 'assistant') {
      requireAnswered(open, callsAt);
      open = new Map();
      answered = new Set();
    }
    before = role;
    if (typeof content === 'string') return;
    content.forEach((block, at) => {
      const path: Path = ['messages', index, 'content', at];
      if (role === 'assistant' && block.type === 'tool_use') {
        const id = callId(block.id);
        if (known.has(id)) throw invalid([...path, 'id'], '`tool_use` ids must be unique.');
        known.add(id);
        open.set(id, block.id);
        callsAt = index;
      } else if (role === 'user' && block.type === 'tool_result') {
        const id = callId(block.tool_use_id);
        if (answered.has(id)) throw invalid(path, `Each \`tool_use\` has one result: ${block.tool_use_id} has two.`);
        if (!open.delete(id)) {
          throw invalid(
            path,
            `unexpected \`tool_use_id\` found in \`tool_result\` blocks: ${block.tool_use_id}. Each \`tool_result\` block must have a corresponding \`tool_use\` block in the previous message.`,
          );
        }
        answered.add(id);
      }
    });
  });
  requireAnswered(open, callsAt);
}

function requireAnswered(open: ReadonlyMap<string, string>, index: number): void {
  if (open.size === 0) return;
  const ids = [...open.values()].slice(0, 10).join(', ');
  throw invalid(
    ['messages', index],
    `\`tool_use\` ids were found without \`tool_result\` blocks immediately after: ${ids}. Each \`tool_use\` block must have a corresponding \`tool_result\` block in the next message.`,
  );
}
