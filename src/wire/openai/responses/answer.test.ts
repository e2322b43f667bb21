import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FreeholdError } from '../../../lib/errors.ts';
import type { GenerateEvent } from '../../../lib/text-model.ts';
import { startGathering } from '../../completion.ts';
import {
  emptyResponse,
  encodeEvent,
  eventsOfCompletion,
  type ResponseEvent,
  type ResponseObject,
  replayed,
  startResponse,
} from './answer.ts';
import { readResponses } from './request.ts';

const described = (changes: object = {}) => ({
  id: 'resp_abc',
  model: 'm',
  createdSeconds: 1,
  given: readResponses({ model: 'm', input: 'hi', ...changes }).given,
});
const making = (changes: object = {}) => startResponse(emptyResponse(described(changes), 'in_progress'), () => 2);

const answer: GenerateEvent[] = [
  { type: 'start', inputTokens: 10, cachedTokens: 4 },
  { type: 'thinking-delta', text: 'h' },
  { type: 'thinking-delta', text: 'm' },
  { type: 'text-delta', text: 'hel' },
  { type: 'text-delta', text: 'lo' },
  { type: 'tool-use-start', id: 'call_1', name: 'look' },
  { type: 'tool-use-delta', json: '{"at":' },
  { type: 'tool-use-delta', json: '1}' },
  { type: 'tool-use-stop' },
  { type: 'tool-use-start', id: 'call_2', name: 'rest' },
  { type: 'tool-use-stop' },
  { type: 'usage', inputTokens: 10, cachedTokens: 4, outputTokens: 7, thinkingTokens: 2 },
  { type: 'stop', reason: 'tool-use' },
];

function told(events: readonly GenerateEvent[], changes: object = {}) {
  const made = making(changes);
  const all = [...events.flatMap((event) => made.take(event)), ...made.end()];
  return { all, response: made.response() };
}
const namesOf = (events: readonly ResponseEvent[]) => events.map(({ type }) => type.replace(/^response\./, ''));

describe('a response', () => {
  it('comes in the vendor’s events, in the vendor’s order', () => {
    const { all } = told(answer);
    expect(namesOf(all)).toEqual([
      'created',
      'in_progress',
      'output_item.added',
      'content_part.added',
      'reasoning_text.delta',
      'reasoning_text.delta',
      'reasoning_text.done',
      'content_part.done',
      'output_item.done',
      'output_item.added',
      'content_part.added',
      'output_text.delta',
      'output_text.delta',
      'output_text.done',
      'content_part.done',
      'output_item.done',
      'output_item.added',
      'function_call_arguments.delta',
      'function_call_arguments.delta',
      'function_call_arguments.done',
      'output_item.done',
      'output_item.added',
      'function_call_arguments.done',
      'output_item.done',
      'completed',
    ]);
    expect(all.map(({ sequence_number }) => sequence_number)).toEqual(all.map((_, index) => index));
    expect(all[0]).toMatchObject({ response: { status: 'in_progress', output: [], usage: { input_tokens: 10 } } });
    expect(encodeEvent(all[0] as ResponseEvent)).toMatch(/^event: response\.created\ndata: \{.*\}\n\n$/);
  });

  it('is at its end what its events told', () => {
    const { all, response } = told(answer, { metadata: { a: 'b' }, instructions: 'be brief' });
    expect(all.at(-1)).toMatchObject({ type: 'response.completed', response });
    expect(response).toMatchObject({
      id: 'resp_abc',
      object: 'response',
      created_at: 1,
      completed_at: 2,
      status: 'completed',
      instructions: 'be brief',
      metadata: { a: 'b' },
      output: [
        { id: 'rs_abco0', type: 'reasoning', summary: [], content: [{ type: 'reasoning_text', text: 'hm' }] },
        {
          id: 'msg_abco1',
          type: 'message',
          role: 'assistant',
          status: 'completed',
          content: [{ type: 'output_text', text: 'hello', annotations: [], logprobs: [] }],
        },
        {
          id: 'fc_abco2',
          type: 'function_call',
          call_id: 'call_1',
          name: 'look',
          arguments: '{"at":1}',
          status: 'completed',
        },
        { id: 'fc_abco3', type: 'function_call', call_id: 'call_2', name: 'rest', arguments: '{}' },
      ],
      usage: {
        input_tokens: 10,
        input_tokens_details: { cached_tokens: 4 },
        output_tokens: 7,
        output_tokens_details: { reasoning_tokens: 2 },
        total_tokens: 17,
      },
    });
    const itemsDone = all.filter(({ type }) => type === 'response.output_item.done').map(({ item }) => item);
    expect(itemsDone).toEqual(response.output);
  });

  it('is the same whole', () => {
    const gathering = startGathering();
    for (const event of answer) gathering.add(event);
    expect(told(eventsOfCompletion(gathering.end())).response).toEqual(told(answer).response);
  });

  it('tells thoughts as a summary where one is asked for', () => {
    const { all, response } = told(answer, { reasoning: { summary: 'auto' } });
    expect(namesOf(all).slice(2, 9)).toEqual([
      'output_item.added',
      'reasoning_summary_part.added',
      'reasoning_summary_text.delta',
      'reasoning_summary_text.delta',
      'reasoning_summary_text.done',
      'reasoning_summary_part.done',
      'output_item.done',
    ]);
    expect(response.output[0]).toMatchObject({ summary: [{ type: 'summary_text', text: 'hm' }] });
    expect(response.output[0]).not.toHaveProperty('content');
  });

  it.each([
    ['max-tokens', 'incomplete', 'max_output_tokens'],
    ['context-full', 'incomplete', 'max_output_tokens'],
    ['refusal', 'incomplete', 'content_filter'],
    ['end-turn', 'completed', undefined],
    ['stop-sequence', 'completed', undefined],
  ] as const)('that ended by %s is %s', (reason, status, why) => {
    const { all, response } = told([
      { type: 'start', inputTokens: 1, cachedTokens: 0 },
      { type: 'text-delta', text: 'x' },
      { type: 'stop', reason },
    ]);
    expect(response).toMatchObject({ status, incomplete_details: why === undefined ? null : { reason: why } });
    expect(response.output[0]).toMatchObject({ status });
    expect(all.at(-1)?.type).toBe(`response.${status}`);
  });

  it('cut off in a call keeps what there is of it, whole and streamed', () => {
    const cut: GenerateEvent[] = [
      { type: 'start', inputTokens: 1, cachedTokens: 0 },
      { type: 'tool-use-start', id: 'call_1', name: 'look' },
      { type: 'tool-use-delta', json: '{"at":' },
      { type: 'usage', inputTokens: 1, cachedTokens: 0, outputTokens: 3 },
      { type: 'stop', reason: 'max-tokens' },
    ];
    const gathering = startGathering();
    for (const event of cut) gathering.add(event);
    const { response } = told(cut);
    expect(response.output).toMatchObject([{ arguments: '{"at":', status: 'incomplete' }]);
    expect(told(eventsOfCompletion(gathering.end())).response).toEqual(response);
  });

  it('that fails ends with the error', () => {
    const made = making();
    const before = answer.slice(0, 5).flatMap((event) => made.take(event));
    const after = made.fail(new FreeholdError('model_process_lost', 'It died.', { hint: 'Try again.' }));
    expect(namesOf([...before, ...after]).slice(-4)).toEqual([
      'output_text.done',
      'content_part.done',
      'output_item.done',
      'failed',
    ]);
    expect(made.response()).toMatchObject({
      status: 'failed',
      error: { code: 'server_error', message: 'It died. Try again.' },
      output: [
        { type: 'reasoning', status: 'completed' },
        { type: 'message', status: 'incomplete' },
      ],
    });
  });

  it('that fails before anything came is told from its beginning', () => {
    const made = making();
    expect(namesOf(made.fail(new FreeholdError('cancelled', 'Gone.')))).toEqual(['created', 'in_progress', 'failed']);
    expect(made.response()).toMatchObject({ status: 'cancelled', error: null });
  });

  it('in the background is queued first', () => {
    const made = startResponse(emptyResponse(described({ background: true }), 'queued'), () => 2);
    const events = [...made.begin(), ...made.begin(), ...made.take(answer[0] as GenerateEvent)];
    expect(events.map(({ type, response }) => [type, (response as ResponseObject).status])).toEqual([
      ['response.created', 'queued'],
      ['response.queued', 'queued'],
      ['response.in_progress', 'in_progress'],
    ]);
  });
});

describe('a response told again', () => {
  const arbitraryEvents = fc
    .array(
      fc.oneof(
        fc.string().map((value): GenerateEvent[] => [{ type: 'text-delta', text: value }]),
        fc.string().map((value): GenerateEvent[] => [{ type: 'thinking-delta', text: value }]),
        fc
          .json()
          .map((json): GenerateEvent[] => [
            { type: 'tool-use-start', id: `call_${json.length}`, name: 'look' },
            { type: 'tool-use-delta', json },
            { type: 'tool-use-stop' },
          ]),
      ),
    )
    .map((middle): GenerateEvent[] => [
      { type: 'start', inputTokens: 3, cachedTokens: 0 },
      ...middle.flat(),
      { type: 'usage', inputTokens: 3, cachedTokens: 0, outputTokens: 2 },
      { type: 'stop', reason: 'end-turn' },
    ]);

  it('from its record is told in the same words', () => {
    fc.assert(
      fc.property(arbitraryEvents, fc.boolean(), (events, background) => {
        const { all, response } = told(events, { background });
        const again = replayed(response, JSON.parse(JSON.stringify(events)));
        // what was not known at its beginning is told at its end
        const unknown = (event: ResponseEvent) => ({ ...event, response: undefined });
        expect(again.map(unknown)).toEqual(all.map(unknown));
        expect(again.at(-1)).toEqual(all.at(-1));
      }),
    );
  });

  it('without a record has the same items, each of their texts in one piece', () => {
    fc.assert(
      fc.property(arbitraryEvents, (events) => {
        const { response } = told(events);
        const again = replayed(response);
        expect(again.at(-1)).toMatchObject({ type: 'response.completed', response });
        const done = again.filter(({ type }) => type === 'response.output_item.done').map(({ item }) => item);
        expect(done).toEqual(response.output);
      }),
    );
  });

  it('that failed says so again', () => {
    const made = making();
    for (const event of answer.slice(0, 5)) made.take(event);
    made.fail(new FreeholdError('internal', 'It broke.'));
    const again = replayed(made.response());
    expect(again.at(-1)).toMatchObject({ type: 'response.failed', response: { error: { message: 'It broke.' } } });
  });
});
