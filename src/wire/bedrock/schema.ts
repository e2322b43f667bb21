// What `POST /model/:id/converse`, `converse-stream` and `count-tokens` take, as zod schemas; `/openapi.json` is made from
// them. What a request becomes is `converse.ts`. A union of the vendor's is an object with one of its members set; bytes
// are base64.
import { z } from 'zod';
import { effort } from '../openai/reasoning.ts';
import { samplingFields } from '../sampling.ts';

const anything = z.looseObject({}).nullish();
const texts = z.array(z.looseObject({ text: z.string().nullish() }));

const citations = z.looseObject({ enabled: z.boolean() }).nullish();
const document = z.looseObject({
  format: z.enum(['pdf', 'csv', 'doc', 'docx', 'xls', 'xlsx', 'html', 'txt', 'md']).nullish(),
  name: z.string().min(1).max(200),
  source: z.looseObject({
    bytes: z.string().nullish(),
    text: z.string().nullish(),
    content: texts.nullish(),
    s3Location: anything,
  }),
  context: z.string().nullish(),
  citations,
});
const searchResult = z.looseObject({ source: z.string(), title: z.string(), content: texts, citations });

const toolUse = z.looseObject({ toolUseId: z.string().min(1), name: z.string().min(1), input: z.unknown() });
const toolResult = z.looseObject({
  toolUseId: z.string().min(1),
  content: z.array(
    z.looseObject({
      text: z.string().nullish(),
      json: z.unknown().optional(),
      document: document.nullish(),
      searchResult: searchResult.nullish(),
      image: anything,
      video: anything,
    }),
  ),
  status: z.enum(['success', 'error']).nullish(),
});
const reasoningContent = z.looseObject({
  reasoningText: z.looseObject({ text: z.string(), signature: z.string().nullish() }).nullish(),
  redactedContent: z.string().nullish(),
});

export const contentBlock = z.looseObject({
  text: z.string().nullish(),
  document: document.nullish(),
  searchResult: searchResult.nullish(),
  toolUse: toolUse.nullish(),
  toolResult: toolResult.nullish(),
  reasoningContent: reasoningContent.nullish(),
  citationsContent: z.looseObject({ content: texts.nullish() }).nullish(),
  cachePoint: anything,
  image: anything,
  video: anything,
  audio: anything,
  guardContent: anything,
  toolAddition: anything,
  toolRemoval: anything,
});

const message = z.looseObject({ role: z.enum(['user', 'assistant', 'system']), content: z.array(contentBlock) });

const tool = z.looseObject({
  toolSpec: z
    .looseObject({
      name: z.string().regex(/^[a-zA-Z0-9_-]{1,64}$/, "Input should match '^[a-zA-Z0-9_-]{1,64}$'"),
      description: z.string().nullish(),
      inputSchema: z.looseObject({ json: z.record(z.string(), z.unknown()) }),
      strict: z.boolean().nullish(),
    })
    .nullish(),
  cachePoint: anything,
  systemTool: z.looseObject({ name: z.string() }).nullish(),
});

const thinking = z
  .looseObject({ type: z.enum(['enabled', 'adaptive', 'disabled']), budget_tokens: z.int().min(1).nullish() })
  .nullish();

const converse = {
  messages: z.array(message).min(1),
  system: z
    .array(z.looseObject({ text: z.string().nullish(), cachePoint: anything, guardContent: anything }))
    .nullish(),
  toolConfig: z
    .looseObject({
      tools: z.array(tool),
      toolChoice: z
        .looseObject({ auto: anything, any: anything, tool: z.looseObject({ name: z.string().min(1) }).nullish() })
        .nullish(),
    })
    .nullish(),
  // of the models' own fields those about thoughts, those of Claude's Messages API, and ours
  additionalModelRequestFields: z
    .looseObject({
      thinking,
      reasoning_config: thinking,
      reasoningConfig: z
        .looseObject({
          type: z.enum(['enabled', 'disabled']).nullish(),
          budgetTokens: z.int().min(1).nullish(),
          maxReasoningEffort: effort.nullish(),
        })
        .nullish(),
      reasoning_effort: effort.nullish(),
      reasoning: z.looseObject({ effort: effort.nullish() }).nullish(),
      output_config: z
        .looseObject({
          effort: effort.nullish(),
          format: z
            .looseObject({ type: z.literal('json_schema'), schema: z.record(z.string(), z.unknown()) })
            .nullish(),
        })
        .nullish(),
      tool_choice: z.looseObject({ disable_parallel_tool_use: z.boolean().nullish() }).nullish(),
      ...samplingFields,
    })
    .nullish(),
};

/** The prompt's part of a request, as `count-tokens` takes it. */
export const conversePromptSchema = z.looseObject(converse);

/** The body of `POST /model/:id/converse` and `converse-stream`. */
export const converseSchema = z.looseObject({
  ...converse,
  inferenceConfig: z
    .looseObject({
      maxTokens: z.int().min(1).nullish(),
      temperature: z.number().min(0).max(1).nullish(),
      topP: z.number().min(0).max(1).nullish(),
      stopSequences: z.array(z.string().min(1).max(1000)).max(64).nullish(),
      // where the shape is spoken by itself, without the operation
      topK: z.int().min(0).nullish(),
    })
    .nullish(),
  outputConfig: z
    .looseObject({
      effort: effort.nullish(),
      textFormat: z
        .looseObject({
          type: z.literal('json_schema'),
          structure: z.looseObject({ jsonSchema: z.looseObject({ schema: z.string(), name: z.string().nullish() }) }),
        })
        .nullish(),
    })
    .nullish(),
  guardrailConfig: anything,
  promptVariables: z.record(z.string(), z.unknown()).nullish(),
  additionalModelResponseFieldPaths: z.array(z.string()).nullish(),
  requestMetadata: z.record(z.string(), z.string()).nullish(),
  performanceConfig: anything,
  serviceTier: anything,
});

/** The body of `POST /model/:id/count-tokens`. */
export const countTokensSchema = z.looseObject({
  input: z.looseObject({
    converse: z.looseObject({}).nullish(),
    invokeModel: z.looseObject({ body: z.string().min(1) }).nullish(),
  }),
});

/** What all requests share, validated. */
export type GivenPrompt = z.output<typeof conversePromptSchema>;
export type GivenConverse = z.output<typeof converseSchema>;
export type GivenMessage = z.output<typeof message>;
export type GivenBlock = z.output<typeof contentBlock>;
export type GivenDocument = z.output<typeof document>;
export type GivenSearchResult = z.output<typeof searchResult>;
export type GivenToolResult = z.output<typeof toolResult>;
