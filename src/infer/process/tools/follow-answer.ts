// From a request to the course its answer takes: which tools it may call, what their arguments are held to, whether it
// thinks and for how long. Knows how a model writes (syntax.ts) and how constraints are made, no model.
import { FreeholdError } from '../../../lib/errors.ts';
import type { GenerateRequest, Tool } from '../../../lib/text-model.ts';
import { opensThought, type PromptPiece } from '../chat-template.ts';
import type { Frame, SchemaConstraint } from '../constraint.ts';
import { type CallPlan, planCalls } from './call-plan.ts';
import { Course, type CourseOptions } from './course.ts';
import { isTrained } from './family.ts';
import { type SpelledVocabulary, Spelling } from './spelling.ts';
import type { AnswerSyntax } from './syntax.ts';
import { argumentsSchema, callableTools, inTool } from './tool-schema.ts';

/** Makes what holds text to a schema; the frame is what stands around it. */
export type Constrain = (
  schema: Record<string, unknown>,
  signal: AbortSignal,
  frame?: Frame,
) => Promise<SchemaConstraint>;

/** A course and the spelling its parts are written in. */
export interface FollowedAnswer {
  course: Course;
  spelling: Spelling;
}

export interface AnswerFollower {
  /**
   * @param pieces the rendered prompt: whether it ends in an open thought
   * @param constrain undefined: the model cannot be held to a schema
   * @returns undefined where the answer is text and nothing else
   * @throws FreeholdError invalid_request or unsupported, naming `tools.N.input_schema…`, for parameters that are malformed
   *   or, of a strict tool, cannot be enforced, or for a choice no tool satisfies; as `constrain`
   */
  follow(
    request: GenerateRequest,
    pieces: readonly PromptPiece[],
    constrain: Constrain | undefined,
    signal: AbortSignal,
  ): Promise<FollowedAnswer | undefined>;
}

export function createAnswerFollower(vocabulary: SpelledVocabulary, { tools, thinking }: AnswerSyntax): AnswerFollower {
  const spelling = new Spelling(vocabulary, [
    ...(tools.marker === '' ? [] : [tools.marker]),
    ...tools.leads,
    ...namesIn(vocabulary, tools.open, tools.callOpen, tools.beforeArguments, tools.callClose, tools.close),
    ...(thinking ? [thinking.open, thinking.close, ...namesIn(vocabulary, thinking.open, thinking.close)] : []),
  ]);
  const cut = thinking ? spelling.tokens(thinking.cut) : [];

  const thoughtsOf = (request: GenerateRequest, pieces: readonly PromptPiece[]): CourseOptions['thinking'] => {
    // whoever writes the whole prompt gets all that follows it
    if (!thinking || request.prompt !== undefined) return undefined;
    const wanted = request.thinking;
    return {
      open: spelling.spell(thinking.open),
      close: spelling.spell(thinking.close),
      cut,
      opened: opensThought(pieces, thinking),
      budgetTokens: wanted?.type === 'disabled' ? 0 : (wanted?.budgetTokens ?? Number.POSITIVE_INFINITY),
    };
  };

  const planOf = (request: GenerateRequest, callable: readonly Tool[]): CallPlan | undefined => {
    if (callable.length === 0) return undefined;
    const choice = request.toolChoice?.type ?? 'auto';
    return planCalls({
      syntax: tools,
      names: callable.map(({ name }) => name),
      choice: choice === 'none' ? 'never' : choice === 'auto' ? 'may' : 'must',
      // models that were not trained to call tools repeat their call until they are stopped
      parallel: request.parallelToolCalls ?? isTrained(tools),
      spell: (text) => spelling.spell(text),
    });
  };

  return {
    async follow(request, pieces, constrain, signal) {
      const places = callableTools(request);
      const callable = places.map((at) => request.tools?.[at] as Tool);
      const thoughts = thoughtsOf(request, pieces);
      const calls = planOf(request, callable);
      if (!calls && !thoughts) return undefined;
      await spelling.prepare();
      const made: SchemaConstraint[] = [];
      try {
        // where there must be a call there is no other answer
        const form = calls?.choice === 'must' ? undefined : request.responseSchema;
        const schema = form && (await held(constrain)(form, signal));
        if (schema) made.push(schema);
        const forArguments: SchemaConstraint[] = [];
        if (calls && calls.choice !== 'never') {
          const text = (spelled: string) => Buffer.from(spelled, 'latin1').toString('utf8');
          const frame = { before: text(calls.before), after: text(calls.after) };
          for (const [i, tool] of callable.entries()) {
            const at = places[i] as number;
            const how = { ...frame, relaxed: tool.strict !== true };
            const one = await held(constrain)(argumentsSchema(tool, at), signal, how).catch((error: unknown) => {
              throw inTool(error, tool, at);
            });
            made.push(one);
            forArguments.push(one);
          }
        }
        const last = pieces.at(-1);
        const course = new Course({
          spelling,
          tools: forArguments,
          begun: last?.origin === 'text' && last.text.trim() !== '',
          ...(thoughts && { thinking: thoughts }),
          ...(calls && { calls }),
          ...(schema && { schema }),
        });
        return { course, spelling };
      } catch (error) {
        for (const one of made) one.dispose();
        throw error;
      }
    },
  };
}

function held(constrain: Constrain | undefined): Constrain {
  if (constrain) return constrain;
  throw new FreeholdError('unsupported', 'This model cannot be held to a schema.');
}

/** Control tokens of the vocabulary that texts hold; some files keep them among user-defined ones. */
function namesIn({ controlTokens, userDefinedTokens }: SpelledVocabulary, ...texts: string[]): string[] {
  const all = texts.join('\n');
  const tags = [...userDefinedTokens.keys()].filter((name) => /^<.+>$/.test(name));
  return [...controlTokens.keys(), ...tags].filter((name) => name !== '' && all.includes(name));
}
