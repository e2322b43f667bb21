// `POST /model/:id/converse` and `converse-stream`: how a request becomes a canonical one. What it may hold is `schema.ts`.
// Pure. Fields it does not know are accepted, as new SDK releases add some; what it knows and cannot do is refused by
// name, never dropped.
import type { GenerateRequest, Tool } from '../../lib/text-model.ts';
import type { ParsedRequest, RequestContext } from '../completion.ts';
import type { Effort } from '../openai/reasoning.ts';
import { type GivenSchema, holdTo } from '../response-schema.ts';
import { largestCount, samplingOf } from '../sampling.ts';
import { validate } from '../validate.ts';
import { turnsOf } from './content.ts';
import { invalid, unsupported } from './errors-at.ts';
import { conversePromptSchema, converseSchema, type GivenConverse, type GivenPrompt } from './schema.ts';
import { thinkingOf } from './thinking.ts';

export interface ParsedConverse extends ParsedRequest {
  /** Whether the answer shows the model's thoughts: where they were asked for. */
  showThoughts: boolean;
  /** Whether the answer tells which stop sequence ended it. */
  showStopSequence: boolean;
}

/**
 * @param body the parsed JSON of the request
 * @param route what the path says
 * @throws FreeholdError invalid_request or unsupported, naming the field
 */
export function parseConverse(
  body: unknown,
  route: { model: string; stream: boolean },
  context: RequestContext,
): ParsedConverse {
  const given = validate(converseSchema, body, 'dots');
  refuseUnsupported(given);
  const { maxTokens, temperature, topP, topK, stopSequences } = given.inferenceConfig ?? {};
  const extra = given.additionalModelRequestFields ?? {};
  const request: GenerateRequest = {
    ...parsePrompt(given, context),
    thinking: thinkingOf(given, maxTokens ?? undefined, effortOf(given)),
    sampling: samplingOf({ ...extra, temperature, top_p: topP ?? extra.top_p, top_k: topK ?? extra.top_k }, 'dots'),
  };
  if (typeof maxTokens === 'number') request.maxTokens = Math.min(maxTokens, largestCount);
  if (stopSequences && stopSequences.length > 0) request.stop = stopSequences;
  if (extra.ignore_eos) request.ignoreEnd = true;
  const schema = schemaOf(given);
  return {
    ...route,
    request,
    showThoughts: request.thinking?.type === 'enabled',
    showStopSequence: given.additionalModelResponseFieldPaths?.includes('/stop_sequence') ?? false,
    ...toolPlaces(given),
    ...(schema && { schemaField: holdTo(request, schema, schema.path.slice(0, 2).join('.'), 'dots') }),
  };
}

/** `count-tokens`: the prompt's part of a request. */
export function parseConversePrompt(body: unknown, context: RequestContext): GenerateRequest {
  const given = validate(conversePromptSchema, body, 'dots');
  return { ...parsePrompt(given, context), thinking: thinkingOf(given, undefined, effortOf(given)) };
}

function parsePrompt(given: GivenPrompt, { tenant, traceId }: RequestContext): GenerateRequest {
  const { messages, system } = turnsOf(given.messages);
  const request: GenerateRequest = { messages, ...toolsOf(given), tenant, traceId };
  const text = [...systemTexts(given), ...system].filter(Boolean).join('\n\n');
  if (text !== '') request.system = [{ type: 'text', text }];
  return request;
}

function systemTexts({ system }: GivenPrompt): string[] {
  return (system ?? []).map(({ text, guardContent }, index) => {
    if (guardContent) throw unsupported(['system', index, 'guardContent'], 'There are no guardrails here.');
    return text ?? '';
  });
}

function toolsOf(given: GivenPrompt): Pick<GenerateRequest, 'tools' | 'toolChoice' | 'parallelToolCalls'> {
  const { tools: all = [], toolChoice: choice } = given.toolConfig ?? {};
  const names = new Set<string>();
  const tools = all.flatMap(({ toolSpec, systemTool, cachePoint }, index): Tool[] => {
    const path = ['toolConfig', 'tools', index];
    if (systemTool) {
      throw unsupported(
        [...path, 'systemTool'],
        `The tool ${systemTool.name.slice(0, 64)} is run by the vendor's servers.`,
      );
    }
    if (!toolSpec) {
      if (cachePoint) return [];
      throw invalid(path, 'A tool has one of: toolSpec, cachePoint.');
    }
    const { name, description, inputSchema, strict } = toolSpec;
    if (names.has(name)) throw invalid([...path, 'toolSpec', 'name'], 'The names of tools must be unique.');
    names.add(name);
    return [{ name, ...(description && { description }), inputSchema: inputSchema.json, ...(strict && { strict }) }];
  });
  if (tools.length === 0) {
    if (given.toolConfig) throw invalid(['toolConfig', 'tools'], 'At least one toolSpec is required.');
    return {};
  }
  const named = choice?.tool?.name;
  if (named !== undefined && !names.has(named)) {
    throw invalid(
      ['toolConfig', 'toolChoice', 'tool', 'name'],
      `There is no tool "${named.slice(0, 64)}" among the tools.`,
    );
  }
  const parallel = given.additionalModelRequestFields?.tool_choice?.disable_parallel_tool_use !== true;
  return {
    tools,
    ...(named !== undefined && { toolChoice: { type: 'tool', name: named } }),
    ...(choice?.any && { toolChoice: { type: 'any' } }),
    ...(choice?.auto && { toolChoice: { type: 'auto' } }),
    ...(!parallel && { parallelToolCalls: false }),
  };
}

/** Where each tool's schema stands: cache points stand between them. */
function toolPlaces({ toolConfig }: GivenConverse): { toolFields?: string[] } {
  const toolFields = (toolConfig?.tools ?? []).flatMap(({ toolSpec }, index) =>
    toolSpec ? [`toolConfig.tools.${index}.toolSpec.inputSchema.json`] : [],
  );
  return toolFields.length === 0 ? {} : { toolFields };
}

function refuseUnsupported(given: GivenConverse): void {
  if (given.guardrailConfig) throw unsupported(['guardrailConfig'], 'There are no guardrails here.', 'Leave it out.');
  if (given.promptVariables && Object.keys(given.promptVariables).length > 0) {
    throw unsupported(['promptVariables'], 'There are no stored prompts here.', 'Send the messages themselves.');
  }
}

const schemaPath = ['outputConfig', 'textFormat', 'structure', 'jsonSchema', 'schema'] as const;

const claudePath = ['additionalModelRequestFields', 'output_config', 'format', 'schema'] as const;

/** How hard to think, where that is said apart from whether to. */
const effortOf = (given: GivenConverse | GivenPrompt): Effort | undefined =>
  ('outputConfig' in given ? (given as GivenConverse).outputConfig?.effort : undefined) ??
  given.additionalModelRequestFields?.output_config?.effort ??
  undefined;

/** The schema is JSON inside a string, or among Claude's own fields. */
function schemaOf(given: GivenConverse): GivenSchema | undefined {
  const text = given.outputConfig?.textFormat?.structure.jsonSchema.schema;
  const format = given.additionalModelRequestFields?.output_config?.format;
  if (text === undefined) return format ? { schema: format.schema, path: claudePath } : undefined;
  if (format) throw invalid(claudePath.slice(0, 3), 'Contradicts outputConfig.textFormat.', 'Send one of the two.');
  let schema: unknown;
  try {
    schema = JSON.parse(text);
  } catch {
    throw invalid(schemaPath, 'Input should be a JSON schema as a string, and is not valid JSON.');
  }
  if (typeof schema === 'object' && schema !== null && !Array.isArray(schema)) {
    return { schema: schema as Record<string, unknown>, path: schemaPath };
  }
  throw invalid(schemaPath, 'Input should be a JSON schema, an object.');
}
