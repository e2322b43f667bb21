// Errors as the AWS SDK knows them, its retries, and callers that go away.
import { describe, expect, it, vi } from 'vitest';
import { FreeholdError } from '../../src/lib/errors.ts';
import { ask, collect, type Loose, messages, thinks, useBedrock } from '../support/bedrock.ts';
import { endless, failing, silent } from '../support/fake-model.ts';

/** How long to wait for what must come; a busy machine may need it. */
const soon = { timeout: 30_000 };

const bedrock = useBedrock();
const { connect, command, send } = bedrock;

describe('errors are the exceptions of the vendor', () => {
  it.each<[string, FreeholdError, string, number]>([
    ['a queue that is full', new FreeholdError('overloaded', 'Full.'), 'ThrottlingException', 429],
    ['a model that is coming back', new FreeholdError('model_process_lost', 'Lost.'), 'ModelNotReadyException', 429],
    ['a model that fails', new FreeholdError('model_failed', 'Failed.'), 'ModelErrorException', 424],
    ['a prompt too long', new FreeholdError('context_exceeded', 'Long.'), 'ValidationException', 400],
    ['a server that stops', new FreeholdError('shutting_down', 'Stopping.'), 'ServiceUnavailableException', 503],
    ['a bug', new FreeholdError('internal', 'Oh.'), 'InternalServerException', 500],
  ])('%s', async (_, error, name, status) => {
    bedrock.server.model.behaviour = failing(error);
    const thrown = await send('Converse', ask).catch((caught: unknown) => caught);
    expect(thrown).toMatchObject({
      name,
      $metadata: { httpStatusCode: status, requestId: expect.stringMatching(/^req_/) },
    });
    expect(thrown).toBeInstanceOf(bedrock.sdk[name] as never);
    expect((thrown as Error).message).toContain(error.message);
  });

  it('words programs look for when a conversation is too long', async () => {
    bedrock.server.model.behaviour = failing(new FreeholdError('context_exceeded', 'The prompt is long.'));
    await expect(send('Converse', ask)).rejects.toThrow(/^Input is too long for requested model\./);
  });

  it('a model that is not here, with those that are', async () => {
    const asked = send('Converse', { modelId: 'anthropic.claude-3-haiku-20240307-v1:0', messages });
    await expect(asked).rejects.toMatchObject({
      name: 'ResourceNotFoundException',
      message: expect.stringMatching(/Models here: default, fake/),
    });
  });

  it.each<[string, object, RegExp]>([
    [
      'an image',
      { content: [{ image: { format: 'png', source: { bytes: new Uint8Array(8) } } }] },
      /images.*Qwen2.5-VL/,
    ],
    [
      'a PDF',
      { content: [{ document: { name: 'a', format: 'pdf', source: { bytes: new Uint8Array(8) } } }] },
      /'pdf' are not read/,
    ],
    ['a document of S3', { content: [{ document: { name: 'a', source: { s3Location: { uri: 's3://a/b' } } } }] }, /S3/],
    ['guarded content', { content: [{ guardContent: { text: { text: 'a' } } }] }, /no guardrails/],
    ['blank text', { content: [{ text: '' }] }, /messages\.0\.content\.0\.text: .*blank/],
    ['a result without its call', { content: [{ toolResult: { toolUseId: 'x', content: [] } }] }, /no toolUse block x/],
  ])('%s is refused by name', async (_, message, expected) => {
    const asked = send('Converse', { modelId: 'fake', messages: [{ role: 'user', ...message }] });
    await expect(asked).rejects.toMatchObject({
      name: 'ValidationException',
      message: expect.stringMatching(expected),
    });
  });

  it('after a stream began end it', async () => {
    bedrock.server.model.behaviour = failing(new FreeholdError('overloaded', 'Full.'), 2);
    const { stream } = await send('ConverseStream', ask);
    const seen: object[] = [];
    const read = async () => {
      for await (const event of stream) seen.push(event);
    };
    await expect(read()).rejects.toMatchObject({
      name: 'ThrottlingException',
      message: expect.stringMatching(/^Full\./),
    });
    expect(seen).toHaveLength(3);
  });

  it('of the model after a stream began are told as such', async () => {
    bedrock.server.model.behaviour = failing(new FreeholdError('model_process_lost', 'Lost.'), 1);
    const { stream } = await send('ConverseStream', ask);
    await expect(collect(stream)).rejects.toMatchObject({ name: 'ModelStreamErrorException' });
  });

  it.each(['overloaded', 'model_process_lost', 'shutting_down'] as const)(
    'that pass are tried again: %s',
    async (code) => {
      let tries = 0;
      bedrock.server.model.behaviour = async function* (request, signal) {
        tries += 1;
        if (tries < 3) throw new FreeholdError(code, 'Wait.', { retryAfterMs: 1 });
        yield* thinks(request, signal);
      };
      const patient = connect({ maxAttempts: 3 });
      expect((await patient.send(command('Converse', ask))).$metadata.attempts).toBe(3);
    },
  );

  it('that stay are not', async () => {
    let tries = 0;
    bedrock.server.model.behaviour = async function* () {
      tries += 1;
      yield* [];
      throw new FreeholdError('model_failed', 'Failed.');
    };
    await expect(connect({ maxAttempts: 3 }).send(command('Converse', ask))).rejects.toMatchObject({
      name: 'ModelErrorException',
    });
    expect(tries).toBe(1);
  });
});

describe('whoever goes away ends the generation', () => {
  it('while it is streamed', async () => {
    bedrock.server.model.behaviour = endless();
    const before = bedrock.server.model.aborted;
    const abort = new AbortController();
    const { stream } = await send('ConverseStream', ask, { abortSignal: abort.signal });
    const read = async () => {
      for await (const event of stream) if ((event as Loose).contentBlockDelta) break;
    };
    await read();
    abort.abort();
    await vi.waitFor(() => expect(bedrock.server.model.aborted).toBe(before + 1), soon);
  });

  it('while it has said nothing', async () => {
    bedrock.server.model.behaviour = silent;
    const before = bedrock.server.model.aborted;
    const asked = bedrock.server.model.requests.length;
    const abort = new AbortController();
    const answer = send('Converse', ask, { abortSignal: abort.signal });
    await vi.waitFor(() => expect(bedrock.server.model.requests.length).toBe(asked + 1), soon);
    abort.abort();
    await expect(answer).rejects.toMatchObject({ name: 'AbortError' });
    await vi.waitFor(() => expect(bedrock.server.model.aborted).toBe(before + 1), soon);
  });
});
