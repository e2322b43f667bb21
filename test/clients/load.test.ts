import { describe, expect, it } from 'vitest';
import { client } from './load.ts';

describe('clients of other vendors', () => {
  it.each([
    ['@anthropic-ai/sdk', 'default'],
    ['openai', 'default'],
    ['ollama', 'Ollama'],
    ['ai', 'generateText'],
    ['@ai-sdk/openai-compatible', 'createOpenAICompatible'],
    ['@ai-sdk/amazon-bedrock', 'createAmazonBedrock'],
    ['@langchain/aws', 'ChatBedrockConverse'],
    ['@langchain/core/tools', 'tool'],
    ['@aws-sdk/client-bedrock-runtime', 'BedrockRuntimeClient'],
    ['@smithy/eventstream-codec', 'EventStreamCodec'],
  ])('%s is loaded', async (name, exported) => {
    expect(await client<Record<string, unknown>>(name)).toHaveProperty(exported);
  });

  it('says how to install what is missing', async () => {
    await expect(client('@nobody/nothing/at-all')).rejects.toThrow(
      '@nobody/nothing is not installed in test/clients. Install it with: npm run clients',
    );
  });
});
