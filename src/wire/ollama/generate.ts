// `POST /api/generate`: one prompt and its answer. What a request may hold, and how it becomes a canonical one. Pure.
import { z } from 'zod';
import type { GenerateRequest } from '../../lib/text-model.ts';
import type { RequestContext } from '../completion.ts';
import { imagesRefused } from '../images.ts';
import { fieldError, validate } from '../validate.ts';
import { finish, keepAliveSchema, type ParsedOllama } from './chat.ts';
import { formatSchema, logprobFields, modelField, optionsSchema, style, thinkSchema, unsupported } from './options.ts';

export const ollamaGenerateSchema = z.looseObject({
  model: modelField,
  prompt: z.string().nullish(),
  suffix: z.string().nullish(),
  system: z.string().nullish(),
  template: z.string().nullish(),
  /** Tokens of an earlier answer. */
  context: z.array(z.int()).nullish(),
  /** The prompt is taken as it stands, without the model's template. */
  raw: z.boolean().nullish(),
  images: z.array(z.string()).nullish(),
  stream: z.boolean().nullish(),
  format: formatSchema,
  think: thinkSchema,
  options: optionsSchema,
  keep_alive: keepAliveSchema,
  truncate: z.boolean().nullish(),
  shift: z.boolean().nullish(),
  ...logprobFields,
  _debug_render_only: z.boolean().nullish(),
});

type GivenGenerate = z.output<typeof ollamaGenerateSchema>;

/**
 * @param body the parsed JSON of the request
 * @throws FreeholdError invalid_request or unsupported, naming the field
 */
export function parseOllamaGenerate(body: unknown, { tenant, traceId }: RequestContext): ParsedOllama {
  const given = validate(ollamaGenerateSchema, body, style);
  refuseUnsupported(given);
  const prompt = given.prompt ?? '';
  if (given.raw) {
    if (given.system) {
      const message = 'Contradicts system, which only a template has a place for.';
      throw fieldError('invalid_request', ['raw'], message, style, 'Leave one of the two out.');
    }
    return finish(given, { messages: [], prompt, tenant, traceId }, prompt === '');
  }
  const request: GenerateRequest = { messages: [], tenant, traceId };
  if (prompt !== '') request.messages.push({ role: 'user', content: [{ type: 'text', text: prompt }] });
  if (given.system) request.system = [{ type: 'text', text: given.system }];
  return finish(given, request, prompt === '');
}

function refuseUnsupported(given: GivenGenerate): void {
  if ((given.images?.length ?? 0) > 0) throw imagesRefused(['images'], style);
  if (given.suffix) throw unsupported(['suffix'], 'Filling in the middle is not supported', 'Leave it out.');
  if (given.template) {
    const hint = 'Leave it out, or write the whole prompt yourself and send raw: true.';
    throw unsupported(['template'], "The template is the model's own", hint);
  }
  if ((given.context?.length ?? 0) > 0) {
    const hint = 'Send the conversation to /api/chat: what the model has read before is not computed again.';
    throw unsupported(['context'], 'Tokens of earlier answers are not read', hint);
  }
}
