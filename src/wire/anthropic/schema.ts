// What `POST /v1/messages` and `POST /v1/messages/count_tokens` take, as zod schemas; `/openapi.json` is made from them.
// What a request becomes is `request.ts`. Beyond the vendor's own fields there are ours for sampling.
import { z } from 'zod';
import { samplingFields } from '../sampling.ts';
import { contentBlock, textBlock } from './blocks-schema.ts';

const message = z.looseObject({
  role: z.enum(['user', 'assistant', 'system']),
  content: z.union([z.string(), z.array(contentBlock)]),
  // of a system message: how long it is shown
  clear_at: z.enum(['next_user_message', 'never']).nullish(),
});

/** Tools of all kinds: `type` says which; only those without one, or of type `custom`, bring their own schema. */
const tool = z.looseObject({
  type: z.string().max(100).nullish(),
  name: z
    .string()
    .regex(/^[a-zA-Z0-9_-]{1,128}$/, "Input should match '^[a-zA-Z0-9_-]{1,128}$'")
    .optional(),
  description: z.string().nullish(),
  input_schema: z.record(z.string(), z.unknown()).optional(),
  input_examples: z.array(z.record(z.string(), z.unknown())).max(20).nullish(),
  strict: z.boolean().nullish(),
  allowed_callers: z.array(z.string()).nullish(),
  cache_control: z.looseObject({ type: z.literal('ephemeral') }).nullish(),
});

const parallel = { disable_parallel_tool_use: z.boolean().nullish() };
const toolChoice = z.discriminatedUnion('type', [
  z.looseObject({ type: z.literal('auto'), ...parallel }),
  z.looseObject({ type: z.literal('any'), ...parallel }),
  z.looseObject({ type: z.literal('tool'), name: z.string().min(1), ...parallel }),
  z.looseObject({ type: z.literal('none') }),
]);

/** Whether thoughts are shown; `summarized` and `updates` are shown whole. */
const display = z.enum(['summarized', 'omitted', 'updates']).nullish();
const thinking = z.discriminatedUnion('type', [
  z.looseObject({ type: z.literal('enabled'), budget_tokens: z.int().min(1024), display }),
  z.looseObject({ type: z.literal('adaptive'), display }),
  z.looseObject({ type: z.literal('between_tools') }),
  z.looseObject({ type: z.literal('disabled') }),
]);

const outputFormat = z.looseObject({ type: z.literal('json_schema'), schema: z.record(z.string(), z.unknown()) });

const prompt = {
  model: z.string().min(1).max(500),
  messages: z.array(message).min(1),
  system: z.union([z.string(), z.array(textBlock)]).nullish(),
  tools: z.array(tool).nullish(),
  tool_choice: toolChoice.nullish(),
  thinking: thinking.nullish(),
  output_config: z
    .looseObject({
      effort: z.enum(['low', 'medium', 'high', 'xhigh', 'max']).nullish(),
      format: outputFormat.nullish(),
    })
    .nullish(),
  // where the beta had it
  output_format: outputFormat.nullish(),
  mcp_servers: z.array(z.unknown()).nullish(),
  container: z.unknown().optional(),
  // of the beta's message threads
  thread: z.unknown().optional(),
};

/** The body of `POST /v1/messages/count_tokens`. */
export const countTokensSchema = z.looseObject(prompt);

/** The body of `POST /v1/messages`. */
export const messagesSchema = z.looseObject({
  ...prompt,
  // 0 computes the prompt for the cache
  max_tokens: z.int().min(0),
  stop_sequences: z.array(z.string().min(1).max(1000)).max(64).nullish(),
  stream: z.boolean().nullish(),
  temperature: z.number().min(0).max(1).nullish(),
  // beyond temperature, top_p and top_k they are ours
  ...samplingFields,
  metadata: z.looseObject({ user_id: z.string().nullish() }).nullish(),
  service_tier: z.string().nullish(),
});

/** What both requests share, validated. */
export type GivenPrompt = z.output<typeof countTokensSchema>;
export type GivenMessage = z.output<typeof message>;
export type GivenTool = z.output<typeof tool>;
