// Who is asking, through the AWS SDK: signatures and tokens; and the lists of models of the control plane.
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { createAwsCredential } from '../../src/store/aws-credentials.ts';
import { createKey } from '../../src/store/keys.ts';
import { ask, type Client, useBedrock } from '../support/bedrock.ts';

const bedrock = useBedrock();
const { connect, command } = bedrock;

describe('who is asking', () => {
  it('is known by a key as a token of its own', async () => {
    const bearer = connect({
      credentials: undefined,
      token: { token: bedrock.server.key },
      authSchemePreference: ['httpBearerAuth'],
    });
    expect((await bearer.send(command('Converse', ask))).stopReason).toBe('end_turn');
  });

  it('is known by a key in AWS_BEARER_TOKEN_BEDROCK', async () => {
    vi.stubEnv('AWS_BEARER_TOKEN_BEDROCK', bedrock.server.key);
    const bearer = connect({ credentials: undefined });
    expect((await bearer.send(command('Converse', ask))).stopReason).toBe('end_turn');
    expect(bedrock.server.model.requests.at(-1)?.tenant).toMatch(/^key_/);
  });

  it('is refused with a secret that is wrong', async () => {
    const other = connect({ credentials: { ...bedrock.credentials, secretAccessKey: 'wrong' } });
    await expect(other.send(command('Converse', ask))).rejects.toMatchObject({
      name: 'InvalidSignatureException',
      $metadata: { httpStatusCode: 403 },
    });
  });

  it.each([
    ['an access key that is unknown', { credentials: { accessKeyId: 'FHIAAAAAAAAAAAAAAAAA', secretAccessKey: 'x' } }],
    [
      'a token that is unknown',
      { credentials: undefined, token: { token: 'x' }, authSchemePreference: ['httpBearerAuth'] },
    ],
  ])('is refused with %s', async (_, settings) => {
    await expect(connect(settings).send(command('Converse', ask))).rejects.toMatchObject({
      name: 'UnrecognizedClientException',
      $metadata: { httpStatusCode: 403 },
    });
  });

  it('is refused outside the scopes of its credential', async () => {
    const limited = await createAwsCredential(bedrock.store, {
      name: 'lists',
      role: 'service',
      scopes: { routes: ['models'], models: ['*'] },
    });
    await expect(connect({ credentials: limited }).send(command('Converse', ask))).rejects.toMatchObject({
      name: 'AccessDeniedException',
    });
  });

  it('may send a session token, which is signed and says nothing', async () => {
    const other = connect({ credentials: { ...bedrock.credentials, sessionToken: 'token/+=' } });
    expect((await other.send(command('Converse', ask))).stopReason).toBe('end_turn');
  });

  it.each([
    [-3_600_000, /^Signature expired/],
    [3_600_000, /^Signature not yet current/],
  ])(
    'may have a clock that is wrong by %i ms: the SDK is told the time, and sets it right',
    async (offset, message) => {
      const other = connect({ systemClockOffset: offset });
      await expect(other.send(command('Converse', ask))).rejects.toMatchObject({
        name: 'InvalidSignatureException',
        message: expect.stringMatching(message),
      });
      expect((await other.send(command('Converse', ask))).stopReason).toBe('end_turn');
    },
  );
});

describe('the control plane', () => {
  let lists: Client;
  beforeEach(() => {
    lists = connect({}, 'BedrockClient');
  });

  it('lists the models', async () => {
    const { modelSummaries } = await lists.send(command('ListFoundationModels', {}));
    expect(modelSummaries).toEqual([
      expect.objectContaining({
        modelId: 'fake',
        modelName: 'Fake',
        providerName: 'file',
        inputModalities: ['TEXT'],
        outputModalities: ['TEXT'],
        responseStreamingSupported: true,
        modelLifecycle: { status: 'ACTIVE' },
      }),
    ]);
  });

  it.each([
    [{ byProvider: 'FILE' }, 1],
    [{ byProvider: 'anthropic' }, 0],
    [{ byOutputModality: 'EMBEDDING' }, 0],
    [{ byInferenceType: 'ON_DEMAND' }, 1],
  ])('lists those that are asked for: %j', async (query, count) => {
    expect((await lists.send(command('ListFoundationModels', query))).modelSummaries).toHaveLength(count);
  });

  it('describes a model, by name or ARN', async () => {
    const { modelSummaries } = await lists.send(command('ListFoundationModels', {}));
    for (const modelIdentifier of ['fake', modelSummaries[0].modelArn]) {
      const { modelDetails } = await lists.send(command('GetFoundationModel', { modelIdentifier }));
      expect(modelDetails.modelId).toBe('fake');
    }
    await expect(lists.send(command('GetFoundationModel', { modelIdentifier: 'nope' }))).rejects.toMatchObject({
      name: 'ResourceNotFoundException',
    });
  });

  it('has no inference profiles', async () => {
    expect((await lists.send(command('ListInferenceProfiles', {}))).inferenceProfileSummaries).toEqual([]);
  });

  it('shows a key only the models it may use', async () => {
    const { key } = await createKey(bedrock.store, {
      name: 'other',
      role: 'service',
      scopes: { routes: ['*'], models: ['other'] },
    });
    const limited = connect(
      { credentials: undefined, token: { token: key }, authSchemePreference: ['httpBearerAuth'] },
      'BedrockClient',
    );
    expect((await limited.send(command('ListFoundationModels', {}))).modelSummaries).toEqual([]);
  });
});
