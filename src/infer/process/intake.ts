// From a request to one that may begin: its prompt rendered and tokenized, its sampler, what its answer is held to, its
// adapter. Takes its time away from the rounds of the engine. Knows nothing of slots.
import { cancelled, FreeholdError } from '../../lib/errors.ts';
import type { GenerateRequest } from '../../lib/text-model.ts';
import type { LoraAdapter } from '../../native/adapters.ts';
import type { Model, Vocabulary } from '../../native/llama.ts';
import { type ChatTemplate, createChatTemplate, type PromptPiece } from './chat-template.ts';
import type { Constraint, SchemaConstraint } from './constraint.ts';
import { createPromptTokenizer, type PromptTokenizer } from './prompt.ts';
import { createSampler, type Sampler } from './sampler.ts';
import { createFindBreakers, type FindBreakers } from './sampling/breakers.ts';
import { dryDefaults } from './sampling/settings.ts';
import {
  type AnswerFollower,
  type Constrain,
  createAnswerFollower,
  type FollowedAnswer,
} from './tools/follow-answer.ts';
import type { AnswerSyntax } from './tools/syntax.ts';

/** A request that waits for a slot. */
export interface Waiting {
  id: number;
  tenant: string;
  /** With whom it may share computed prompts: its tenant, with its adapter. */
  scope: string;
  request: GenerateRequest;
  prompt: Int32Array;
  sampler: Sampler;
  constraint: Constraint | undefined;
  /** Undefined: the answer is text, without thoughts and calls of tools. Its course is the constraint. */
  followed: FollowedAnswer | undefined;
  adapter: LoraAdapter | undefined;
}

/** What only the process knows how to make. */
export interface IntakeOptions {
  /** What holds an answer to a JSON Schema. Default: such requests are refused, and those with tools. */
  constrain?: Constrain;
  /** The LoRA adapter of that name. Default: there is none. */
  adapter?: (name: string) => Promise<LoraAdapter>;
}

interface Preparing {
  tenant: string;
  purpose: 'generate' | 'count';
  abort: AbortController;
}

export class Intake {
  readonly #vocabulary: Vocabulary;
  readonly #template: ChatTemplate;
  readonly #tokenizer: PromptTokenizer;
  readonly #follower: AnswerFollower;
  readonly #findBreakers: FindBreakers;
  readonly #options: IntakeOptions;
  readonly #preparing = new Map<number, Preparing>();

  /** @throws FreeholdError model_failed when the model's chat template is not readable */
  constructor(model: Model, options: IntakeOptions) {
    const { vocabulary } = model;
    const text = (token: number | undefined) => (token === undefined ? '' : vocabulary.textOf(token));
    this.#vocabulary = vocabulary;
    this.#options = options;
    this.#template = createChatTemplate(
      model.chatTemplate,
      { bos: text(vocabulary.bos), eos: text(vocabulary.eos) },
      vocabulary.controlTokens.has('<|im_start|>') || vocabulary.userDefinedTokens.has('<|im_start|>'),
    );
    this.#tokenizer = createPromptTokenizer(vocabulary, this.#template.markup);
    this.#follower = createAnswerFollower(vocabulary, this.#template.syntax);
    this.#findBreakers = createFindBreakers(vocabulary);
  }

  /** How the model writes thoughts and calls of tools. */
  get syntax(): AnswerSyntax {
    return this.#template.syntax;
  }

  /** Requests being prepared for the one or the other. */
  preparing(purpose: Preparing['purpose']): { tenant: string }[] {
    return [...this.#preparing.values()].filter((one) => one.purpose === purpose);
  }

  /** @throws FreeholdError invalid_request, unsupported, cancelled */
  async countTokens(id: number, request: GenerateRequest): Promise<number> {
    return this.#whilePreparing(id, request, 'count', async (signal) => {
      return (await this.#tokenize(this.#render(request), Number.POSITIVE_INFINITY, signal)).length;
    });
  }

  /**
   * @param contextTokens the prompt must leave room for at least one more
   * @throws FreeholdError context_exceeded, invalid_request, unsupported, cancelled
   */
  async prepare(id: number, request: GenerateRequest, contextTokens: number): Promise<Waiting> {
    return this.#whilePreparing(id, request, 'generate', async (signal) => {
      const pieces = this.#render(request);
      const prompt = await this.#tokenize(pieces, contextTokens, signal);
      if (prompt.length === 0)
        throw new FreeholdError('invalid_request', 'The prompt is empty.', { field: 'messages' });
      const sampler = await this.#createSampler(request, prompt);
      const adapter = await this.#findAdapter(request);
      // last, so that no other failure leaves native memory behind
      const followed = await this.#follower.follow(request, pieces, this.#options.constrain, signal);
      return {
        id,
        tenant: request.tenant,
        scope: JSON.stringify([request.tenant, request.adapter]),
        request,
        prompt,
        sampler,
        adapter,
        followed,
        constraint: followed?.course ?? (await this.#constrain(request, signal)),
      };
    });
  }

  /** Its preparation, if it is under way, fails with `cancelled`. */
  cancel(id: number): void {
    this.#preparing.get(id)?.abort.abort();
  }

  async #whilePreparing<T extends number | Waiting>(
    id: number,
    { tenant }: GenerateRequest,
    purpose: Preparing['purpose'],
    make: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const abort = new AbortController();
    this.#preparing.set(id, { tenant, purpose, abort });
    try {
      const made = await make(abort.signal);
      if (!abort.signal.aborted) return made;
      if (typeof made === 'object') made.constraint?.dispose();
      throw cancelled();
    } finally {
      this.#preparing.delete(id);
    }
  }

  #render(request: GenerateRequest): PromptPiece[] {
    const { prompt } = request;
    return prompt === undefined ? this.#template.render(request) : [{ origin: 'text', text: prompt }];
  }

  #tokenize(pieces: readonly PromptPiece[], contextTokens: number, signal: AbortSignal): Promise<Int32Array> {
    return this.#tokenizer.tokenize(pieces, contextTokens, () => signal.aborted);
  }

  async #createSampler({ sampling = {} }: GenerateRequest, prompt: Int32Array): Promise<Sampler> {
    const { dry } = sampling;
    const breakers = dry && (await this.#findBreakers(dry.sequenceBreakers ?? dryDefaults.sequenceBreakers));
    return createSampler(sampling, { vocabularySize: this.#vocabulary.size, prompt, ...(breakers && { breakers }) });
  }

  async #findAdapter({ adapter }: GenerateRequest): Promise<LoraAdapter | undefined> {
    if (adapter === undefined) return undefined;
    if (this.#options.adapter) return this.#options.adapter(adapter);
    throw new FreeholdError('invalid_request', `There is no adapter "${adapter}" here.`, { field: 'adapter' });
  }

  async #constrain({ responseSchema }: GenerateRequest, signal: AbortSignal): Promise<SchemaConstraint | undefined> {
    if (!responseSchema) return undefined;
    if (this.#options.constrain) return this.#options.constrain(responseSchema, signal);
    throw new FreeholdError('unsupported', 'This model cannot be held to a schema.');
  }
}
