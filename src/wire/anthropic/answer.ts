// Whole answers of `POST /v1/messages`, and the parts of them that streams (`stream.ts`) share. Pure.
import type { Block, StopReason, Usage } from '../../lib/text-model.ts';
import type { AnswerMeta, Completion } from '../completion.ts';
import { toolUseId } from './ids.ts';
import type { Thoughts } from './thinking.ts';

/**
 * Stands where the vendor signs a thought. Clients send it back with the thought and never read it; nothing here does
 * either, since a thought that was changed is no worse than a message that was.
 */
export const signature = Buffer.from('freehold: thoughts are not signed').toString('base64');

export function stopReason(reason: StopReason): string {
  switch (reason) {
    case 'end-turn':
      return 'end_turn';
    case 'max-tokens':
      return 'max_tokens';
    case 'stop-sequence':
      return 'stop_sequence';
    case 'tool-use':
      return 'tool_use';
    case 'context-full':
      return 'model_context_window_exceeded';
    case 'refusal':
      return 'refusal';
    default:
      return reason satisfies never;
  }
}

/** What the vendor says of a refusal beside the word; engines do not say why. */
export const stopDetails = (reason: StopReason) =>
  reason === 'refusal' ? { type: 'refusal', category: null, explanation: null } : null;

/**
 * The vendor counts tokens read from the cache apart from the others, and so do we: the three sum up to the prompt.
 * None are ever *created*: there a request pays for keeping what it marks with `cache_control`; here every prompt is
 * kept without being asked, for as long as memory lasts, so what was not read was computed as any other input.
 */
export function usageOf({ inputTokens, cachedTokens, outputTokens, thinkingTokens }: Usage) {
  return {
    input_tokens: inputTokens - cachedTokens,
    cache_creation_input_tokens: 0,
    cache_read_input_tokens: cachedTokens,
    output_tokens: outputTokens,
    output_tokens_details: thinkingTokens === undefined ? null : { thinking_tokens: thinkingTokens },
    server_tool_use: null,
  };
}

/** What the vendor's types have beside these, and never applies here. */
const elsewhere = { cache_creation: null, inference_geo: null, service_tier: 'standard', speed: null };

/** A message without its content, as it begins. */
export function messageOf(meta: AnswerMeta, usage: Usage) {
  return {
    id: meta.id,
    type: 'message',
    role: 'assistant',
    model: meta.model,
    content: [] as unknown[],
    container: null,
    stop_reason: null as string | null,
    stop_sequence: null as string | null,
    stop_details: null as ReturnType<typeof stopDetails>,
    usage: { ...usageOf(usage), ...elsewhere },
  };
}

/** A call of a tool, its input aside. */
export const toolUseOf = (id: string, name: string, input: unknown) => ({
  type: 'tool_use',
  id: toolUseId(id),
  name,
  input,
  caller: { type: 'direct' },
});

function blocksOf(block: Block, thoughts: Thoughts): unknown[] {
  switch (block.type) {
    case 'text':
      return [{ type: 'text', text: block.text }];
    case 'thinking':
      return thoughts === 'hidden'
        ? []
        : [{ type: 'thinking', thinking: thoughts === 'shown' ? block.text : '', signature }];
    case 'tool-use':
      return [toolUseOf(block.id, block.name, block.input)];
    default:
      return [];
  }
}

/**
 * A whole answer.
 * @param thoughts what it shows of them. Default: nothing
 */
export function messageBody(completion: Completion, meta: AnswerMeta, thoughts: Thoughts = 'hidden'): unknown {
  return {
    ...messageOf(meta, completion.usage),
    content: completion.blocks.flatMap((block) => blocksOf(block, thoughts)),
    stop_reason: stopReason(completion.stopReason),
    stop_sequence: completion.stopSequence ?? null,
    stop_details: stopDetails(completion.stopReason),
    freehold: { model: meta.model, ...meta.timing(completion.usage.outputTokens) },
  };
}
