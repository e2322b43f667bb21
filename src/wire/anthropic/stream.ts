// A streamed answer of `POST /v1/messages`: message_start, content blocks, message_delta, message_stop. Pure: events in,
// text of the event stream out.
import type { FreeholdError } from '../../lib/errors.ts';
import type { GenerateEvent, Usage } from '../../lib/text-model.ts';
import type { AnswerMeta, StreamEncoder } from '../completion.ts';
import { messageOf, signature, stopDetails, stopReason, toolUseOf, usageOf } from './answer.ts';
import { anthropicErrorBody } from './errors.ts';
import type { Thoughts } from './thinking.ts';

/** One server-sent event; the vendor's SDK reads the `event:` line, so it is always there. */
function sse(type: string, data: object): string {
  return `event: ${type}\ndata: ${JSON.stringify({ type, ...data })}\n\n`;
}

type BlockKind = 'text' | 'thinking' | 'tool_use';

/**
 * Encodes one generation.
 * @param thoughts what it shows of them. Default: nothing
 */
export function messageStream(meta: AnswerMeta, thoughts: Thoughts = 'hidden'): StreamEncoder {
  let index = -1;
  let open: BlockKind | undefined;
  let pinged = false;
  let usage: Usage = { inputTokens: 0, cachedTokens: 0, outputTokens: 0 };

  const close = () => {
    if (!open) return '';
    // a signature belongs just before its thinking block stops
    const signed =
      open === 'thinking' ? sse('content_block_delta', { index, delta: { type: 'signature_delta', signature } }) : '';
    open = undefined;
    return signed + sse('content_block_stop', { index });
  };
  const start = (kind: BlockKind, contentBlock: object) => {
    const before = close();
    open = kind;
    index += 1;
    const ping = pinged ? '' : sse('ping', {});
    pinged = true;
    return before + sse('content_block_start', { index, content_block: contentBlock }) + ping;
  };
  /** What comes for every token: only the text differs. */
  const delta = (kind: 'text' | 'thinking', text: string) =>
    `event: content_block_delta\ndata: {"type":"content_block_delta","index":${index},"delta":{"type":"${kind}_delta","${kind}":${JSON.stringify(text)}}}\n\n`;
  const inputDelta = (json: string) =>
    sse('content_block_delta', { index, delta: { type: 'input_json_delta', partial_json: json } });

  return {
    encode(event: GenerateEvent): string {
      switch (event.type) {
        case 'start':
          usage = { ...usage, inputTokens: event.inputTokens, cachedTokens: event.cachedTokens };
          return sse('message_start', { message: messageOf(meta, usage) });
        case 'text-delta': {
          if (event.text === '') return '';
          const before = open === 'text' ? '' : start('text', { type: 'text', text: '' });
          return before + delta('text', event.text);
        }
        case 'thinking-delta': {
          // what stands around a thought stays two blocks, as in a whole answer
          if (thoughts === 'hidden') return close();
          const before =
            open === 'thinking' ? '' : start('thinking', { type: 'thinking', thinking: '', signature: '' });
          return thoughts === 'shown' ? before + delta('thinking', event.text) : before;
        }
        case 'tool-use-start':
          // the vendor sends an empty piece first, and clients take it for the beginning of the input
          return start('tool_use', toolUseOf(event.id, event.name, {})) + inputDelta('');
        case 'tool-use-delta':
          return event.json === '' ? '' : inputDelta(event.json);
        case 'tool-use-stop':
          return close();
        case 'usage': {
          const { type: _, ...counts } = event;
          usage = counts;
          return '';
        }
        case 'stop':
          return (
            close() +
            sse('message_delta', {
              delta: {
                stop_reason: stopReason(event.reason),
                stop_sequence: event.stopSequence ?? null,
                stop_details: stopDetails(event.reason),
                container: null,
              },
              usage: usageOf(usage),
              freehold: { model: meta.model, ...meta.timing(usage.outputTokens) },
            }) +
            sse('message_stop', {})
          );
        default:
          return event satisfies never;
      }
    },
    fail(error: FreeholdError, requestId: string): string {
      return `event: error\ndata: ${JSON.stringify(anthropicErrorBody(error, requestId))}\n\n`;
    },
    keepAlive: () => sse('ping', {}),
  };
}
