// Renders a conversation with the chat template in the model's metadata and keeps apart what the template wrote from
// what people and tools wrote: only the template's own text may become control tokens. A `<|im_end|>` in a message, in a
// tool's description or in its result stays text.
//
// How: each text goes into the template as a marker (chat-template-marks.ts); the rendered string is then cut at the
// markers. What templates do with their input is found out by trials and obeyed (chat-template-habits.ts). A template is
// a program that came with the model: it has a deadline.
import { Template } from '@huggingface/jinja';
import { FreeholdError } from '../../lib/errors.ts';
import type { GenerateRequest } from '../../lib/text-model.ts';
import { findHabits, givenTools, type Habits, type RunTemplate } from './chat-template-habits.ts';
import { Markers, type PromptPiece } from './chat-template-marks.ts';
import { templateTurns, toolsOf } from './chat-template-turns.ts';
import { DeadlineError, withinDeadline } from './deadline.ts';
import { ownMarkup } from './tools/describe.ts';
import { endsOpen } from './tools/family.ts';
import type { AnswerSyntax, ThinkingSyntax } from './tools/syntax.ts';

export type { PromptPiece } from './chat-template-marks.ts';

export interface ChatTemplate {
  /** How the model writes calls of tools and thoughts into its answers. */
  readonly syntax: AnswerSyntax;
  /** All that it may write of its own, with our own of tools: what tells markup from words in a vocabulary. */
  readonly markup: string;
  /**
   * @throws FreeholdError invalid_request when the template refuses the conversation, or a result of a tool has no call;
   * model_failed when it takes more than 2 s over it, unsupported for images
   */
  render(request: GenerateRequest): PromptPiece[];
}

/** Written for models whose file has no template but that know ChatML's tokens. */
const chatMl = `{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}`;

/** Written for models that know nothing of chat: base models continue a transcript. */
const transcript = `{% for message in messages %}{% if message['role'] == 'system' %}{{ message['content'] + '\\n\\n' }}{% else %}{{ message['role'] | capitalize + ': ' + message['content'] + '\\n' }}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}`;

/** Some 20 us a message are usual. */
const deadlineMs = 2000;

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
  /** What stands for no tools: null, but for templates that go through them without asking. */
  let none: null | [] = null;
  const run: RunTemplate = (messages, variables) => {
    try {
      return withinDeadline(deadlineMs, () =>
        template.render({
          messages,
          add_generation_prompt: true,
          bos_token: specials.bos,
          eos_token: specials.eos,
          tools: none,
          documents: null,
          ...variables,
        }),
      );
    } catch (cause) {
      if (cause instanceof DeadlineError) throw tooSlow(messages.length, cause);
      throw cause;
    }
  };
  if (!isAnswered(run)) {
    none = [];
    if (!isAnswered(run)) none = null;
  }
  const habits = findHabits(run, source);

  return {
    syntax: habits.syntax,
    markup: (source ?? '') + ownMarkup(habits.syntax),
    render(request) {
      const markers = new Markers();
      let rendered: string;
      let prefill: string;
      try {
        const turns = templateTurns(request, habits, markers);
        prefill = turns.prefill;
        rendered = run(turns.messages, variablesOf(request, habits, markers));
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
      const pieces = markers.split(rendered);
      closeThought(pieces, request, prefill, habits);
      if (prefill !== '') pieces.push({ origin: 'text', text: prefill });
      return pieces;
    },
  };
}

/** Whether a template takes a question at all. */
function isAnswered(run: RunTemplate): boolean {
  try {
    run([{ role: 'user', content: 'x' }]);
    return true;
  } catch (error) {
    if (error instanceof FreeholdError) throw error;
    return false;
  }
}

/**
 * Whether a prompt ends within a thought, so that the answer begins as one.
 * @param thinking of the model; undefined: it never does
 */
export function opensThought(pieces: readonly PromptPiece[], thinking: ThinkingSyntax | undefined): boolean {
  const last = pieces.at(-1);
  return thinking !== undefined && last?.origin === 'template' && endsOpen(last.text, thinking);
}

function variablesOf(request: GenerateRequest, habits: Habits, markers: Markers): Record<string, unknown> {
  const { tools, thinkingSwitch } = habits;
  const { thinking } = request;
  return {
    ...(tools !== 'ours' && givenTools(tools, toolsOf(request), markers)),
    ...(thinking && thinkingSwitch && { [thinkingSwitch]: thinking.type === 'enabled' }),
  };
}

/** Where nothing is to be thought, or the answer has begun, the thought is over before it began: as templates that know a switch write it. */
function closeThought(pieces: PromptPiece[], request: GenerateRequest, prefill: string, habits: Habits): void {
  const { thinking } = habits.syntax;
  if (!thinking || (request.thinking?.type !== 'disabled' && prefill === '')) return;
  if (opensThought(pieces, thinking)) pieces.push({ origin: 'template', text: thinking.cut });
  else if (!habits.thinkingSwitch) {
    pieces.push({ origin: 'template', text: `${thinking.open.trim()}\n${thinking.cut}` });
  }
}

const tooSlow = (messages: number, cause: DeadlineError) =>
  new FreeholdError(
    'model_failed',
    `The chat template of the model takes longer than ${deadlineMs / 1000} s for a conversation of ${messages} ${messages === 1 ? 'message' : 'messages'}.`,
    { cause, hint: 'Use another build of the model, or one of the catalogue.' },
  );
