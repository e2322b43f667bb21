// Renders a conversation with the chat template in the model's metadata and keeps apart what the template wrote from
// what people wrote: only the template's own text may become control tokens. A `<|im_end|>` in a message stays text.
//
// How: each text goes into the template as a marker (private-use characters and a random number); the rendered string
// is then cut at the markers. Templates that trim what they are given are found out by a trial and obeyed. A template is
// a program that came with the model: it has a deadline.
import { randomBytes } from 'node:crypto';
import { Template } from '@huggingface/jinja';
import { FreeholdError } from '../../lib/errors.ts';
import type { Block, GenerateRequest, Message } from '../../lib/text-model.ts';
import { DeadlineError, withinDeadline } from './deadline.ts';

/** A stretch of the prompt. Control tokens are recognised only in `template` pieces. */
export interface PromptPiece {
  origin: 'template' | 'text';
  text: string;
}

export interface ChatTemplate {
  /**
   * @throws FreeholdError invalid_request when the template refuses the conversation, model_failed when it takes more
   * than 2 s over it, unsupported for images
   */
  render(request: GenerateRequest): PromptPiece[];
}

/** Written for models whose file has no template but that know ChatML's tokens. */
const chatMl = `{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}`;

/** Written for models that know nothing of chat: base models continue a transcript. */
const transcript = `{% for message in messages %}{% if message['role'] == 'system' %}{{ message['content'] + '\\n\\n' }}{% else %}{{ message['role'] | capitalize + ': ' + message['content'] + '\\n' }}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}`;

/** Some 20 us a message are usual. */
const deadlineMs = 2000;

interface TemplateMessage {
  role: 'system' | 'user' | 'assistant';
  content: string;
}

/**
 * @param source the template in the model's metadata, if any
 * @param specials text of the tokens templates may name
 * @param knowsChatMl whether the vocabulary has `<|im_start|>`
 * @throws FreeholdError model_failed when the template cannot be parsed, or takes more than 2 s over a short trial
 */
export function createChatTemplate(
  source: string | undefined,
  specials: { bos: string; eos: string },
  knowsChatMl: boolean,
): ChatTemplate {
  let template: Template;
  try {
    template = withinDeadline(deadlineMs, () => new Template(source ?? (knowsChatMl ? chatMl : transcript)));
  } catch (cause) {
    throw new FreeholdError(
      'model_failed',
      `The chat template of the model cannot be read: ${(cause as Error).message}.`,
      { cause },
    );
  }
  const run = (messages: TemplateMessage[]) => {
    try {
      return withinDeadline(deadlineMs, () =>
        template.render({
          messages,
          add_generation_prompt: true,
          bos_token: specials.bos,
          eos_token: specials.eos,
          tools: null,
          documents: null,
        }),
      );
    } catch (cause) {
      if (cause instanceof DeadlineError) throw tooSlow(messages.length, cause);
      throw cause;
    }
  };
  const habits = findHabits(run);

  return {
    render(request) {
      const marker = new Markers();
      const mark = (text: string) => marker.add(habits.trims ? text.trim() : text);
      const { messages, prefill } = flatten(request, habits.knowsSystem);
      let rendered: string;
      try {
        rendered = run(messages.map(({ role, content }) => ({ role, content: mark(content) })));
      } catch (cause) {
        if (cause instanceof FreeholdError) throw cause;
        throw new FreeholdError(
          'invalid_request',
          `The chat template of the model refuses this conversation: ${(cause as Error).message}.`,
          {
            cause,
            hint: 'Messages should begin with a user turn and alternate between user and assistant.',
            field: 'messages',
          },
        );
      }
      const pieces = marker.split(rendered);
      if (prefill !== '') pieces.push({ origin: 'text', text: prefill });
      return pieces;
    },
  };
}

const tooSlow = (messages: number, cause: DeadlineError) =>
  new FreeholdError(
    'model_failed',
    `The chat template of the model takes longer than ${deadlineMs / 1000} s for a conversation of ${messages} ${messages === 1 ? 'message' : 'messages'}.`,
    { cause, hint: 'Use another build of the model, or one of the catalogue.' },
  );

/** What a template does with its input, found by rendering a trial conversation. */
function findHabits(run: (messages: TemplateMessage[]) => string): { trims: boolean; knowsSystem: boolean } {
  const attempt = (messages: TemplateMessage[]) => {
    try {
      return run(messages);
    } catch (error) {
      if (error instanceof FreeholdError) throw error;
      return undefined;
    }
  };
  const plain = attempt([{ role: 'user', content: '  trial of spaces  ' }]) ?? '';
  const system = attempt([
    { role: 'system', content: 'trial of system' },
    { role: 'user', content: 'x' },
  ]);
  return {
    trims: plain.includes('trial of spaces') && !plain.includes('  trial of spaces  '),
    knowsSystem: system?.includes('trial of system') ?? false,
  };
}

/** Merges neighbours of one role, moves the system text where the template takes it, and takes off a final assistant turn, which the model continues. */
function flatten(request: GenerateRequest, knowsSystem: boolean): { messages: TemplateMessage[]; prefill: string } {
  const messages: TemplateMessage[] = [];
  for (const message of request.messages) {
    const content = textOf(message);
    const last = messages.at(-1);
    if (last && last.role === message.role) last.content += `\n\n${content}`;
    else messages.push({ role: message.role, content });
  }
  const system = (request.system ?? []).map(({ text }) => text).join('\n\n');
  const prefill = messages.at(-1)?.role === 'assistant' ? (messages.pop() as TemplateMessage).content : '';
  if (system !== '') {
    const first = messages.find(({ role }) => role === 'user');
    if (knowsSystem || !first) messages.unshift({ role: 'system', content: system });
    else first.content = `${system}\n\n${first.content}`;
  }
  return { messages, prefill };
}

/** A person's blocks (a document, then a question) stand on lines of their own; a model's go on where they stopped. */
function textOf(message: Message): string {
  const texts = message.content.map((block) => blockText(block)).filter((text) => text !== '');
  return texts.join(message.role === 'user' ? '\n' : '');
}

function blockText(block: Block): string {
  switch (block.type) {
    case 'text':
      return block.text;
    case 'document':
      return `${block.title ? `${block.title}\n\n` : ''}${block.text}\n`;
    case 'thinking':
      // what the model thought in an earlier turn is not shown to it again
      return '';
    case 'image':
      throw new FreeholdError('unsupported', 'This model reads text only; the request holds an image.', {
        field: 'messages',
      });
    case 'tool-use':
    case 'tool-result':
      throw new FreeholdError(
        'unsupported',
        'This release does not call tools yet; the request holds a tool call or its result.',
        { field: 'messages' },
      );
    default:
      return block satisfies never;
  }
}

/** Stand-ins for texts: unguessable, so that no text can pass for one. */
class Markers {
  readonly #nonce = randomBytes(9).toString('hex');
  readonly #texts: string[] = [];

  add(text: string): string {
    this.#texts.push(text);
    return `\u{f0000}${this.#nonce}:${this.#texts.length - 1}\u{f0001}`;
  }

  /** @throws FreeholdError unsupported when a text is not in the rendering as it was given */
  split(rendered: string): PromptPiece[] {
    const parts = rendered.split(new RegExp(`\u{f0000}${this.#nonce}:(\\d+)\u{f0001}`, 'u'));
    if (parts.some((part, i) => i % 2 === 0 && /[\u{f0000}\u{f0001}]/u.test(part))) {
      throw new FreeholdError(
        'unsupported',
        'The chat template of this model rewrites messages in a way Freehold does not follow.',
        {
          hint: 'Use another build of the model, or one of the catalogue.',
        },
      );
    }
    return parts
      .map(
        (part, i): PromptPiece =>
          i % 2 === 0
            ? { origin: 'template', text: part }
            : { origin: 'text', text: this.#texts[Number(part)] as string },
      )
      .filter(({ text }) => text !== '');
  }
}
