// A stream that says nothing for a while is kept awake by frames that the AWS SDK passes over.
import { expect, it } from 'vitest';
import { decodeFrames } from '../../src/wire/bedrock/event-stream.ts';
import { ask, collect, messages, useBedrock } from '../support/bedrock.ts';

const bedrock = useBedrock({ streams: { keepAliveMs: 5 } });

/** Whoever waits for the model to go on. */
let goOn: () => void;
const pauses = () => {
  const paused = new Promise<void>((resolve) => {
    goOn = resolve;
  });
  bedrock.server.model.behaviour = async function* () {
    yield { type: 'start', inputTokens: 1, cachedTokens: 0 };
    await paused;
    yield { type: 'text-delta', text: 'At last.' };
    yield { type: 'usage', inputTokens: 1, cachedTokens: 0, outputTokens: 2 };
    yield { type: 'stop', reason: 'end-turn' };
  };
};

/** Reads a stream without the SDK, and lets the model go on once a frame came that keeps awake. @returns the events' types */
async function readRaw(path: string, body: object): Promise<(string | undefined)[]> {
  const response = await fetch(`${bedrock.server.url}/model/fake/${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${bedrock.server.key}` },
    body: JSON.stringify(body),
  });
  expect(response.headers.get('content-type')).toBe('application/vnd.amazon.eventstream');
  const types: (string | undefined)[] = [];
  let rest: Uint8Array = new Uint8Array();
  for await (const bytes of response.body as unknown as AsyncIterable<Uint8Array>) {
    const read = decodeFrames(Buffer.concat([rest, bytes]));
    rest = read.rest;
    types.push(...read.frames.map(({ headers }) => headers.get(':event-type')?.value as string | undefined));
    if (types.includes('ping')) goOn();
  }
  expect(rest).toHaveLength(0);
  return types;
}

it.each([
  ['converse-stream', { messages }],
  ['invoke-with-response-stream', { messages: [{ role: 'user', content: 'hi' }] }],
])('%s', async (path, body) => {
  pauses();
  expect(await readRaw(path, body)).toContain('ping');
});

it('the SDK reads on', async () => {
  pauses();
  const { stream } = await bedrock.send('ConverseStream', ask);
  // as many frames as come before a stream of our own has seen one
  const first = goOn;
  pauses();
  await readRaw('converse-stream', { messages });
  first();
  expect((await collect<object>(stream)).map((event) => Object.keys(event)[0])).toEqual([
    'messageStart',
    'contentBlockDelta',
    'contentBlockStop',
    'messageStop',
    'metadata',
  ]);
});
