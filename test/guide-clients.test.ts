// docs/guide/clients.md shows the programs of test/clients as they stand. `-u` writes it anew.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import { clientsFolder } from './clients/load.ts';

const programs: [title: string, file: string, said: string][] = [
  ['Anthropic’s SDK', 'anthropic.ts', ''],
  ['OpenAI’s SDK', 'openai.ts', ''],
  [
    'The AWS SDK for Bedrock',
    'bedrock.ts',
    'For requests that are signed as at AWS, make credentials with `freehold keys create --type aws --name NAME` and give them as `credentials` in place of the token.',
  ],
  ['The Vercel AI SDK', 'vercel-ai.ts', ''],
  ['LangChain', 'langchain.ts', ''],
  ['Ollama’s client', 'ollama.ts', ''],
];

it('docs/guide/clients.md shows the programs that the conformance tests run', async () => {
  const sections = programs.flatMap(([title, file, said]) => [
    `## ${title}`,
    '',
    ...(said === '' ? [] : [said, '']),
    '```ts',
    readFileSync(path.join(clientsFolder, file), 'utf8').trimEnd(),
    '```',
    '',
  ]);
  const page = [
    '# Clients',
    '',
    '<!-- Made by test/guide-clients.test.ts from the programs in test/clients. Change those and run it with -u. -->',
    '',
    'Each program chats, streams, calls a tool, asks for JSON of a schema and gets vectors. What differs from a program for the vendor is the URL, the key and the name of the model.',
    'They lie in `test/clients`, and the tests run them as they stand. To run one: `npm run clients`, then',
    '',
    '```sh',
    'freehold up                                  # prints the first key; freehold keys create makes more',
    'freehold pull qwen3-embedding-0.6b           # for the vectors',
    'FREEHOLD_URL=http://127.0.0.1:8080 FREEHOLD_KEY=fh_… npx tsx test/clients/openai.ts',
    '```',
    '',
    'Any model here can be named in place of `default`. [What is supported](supported.md) tells what each protocol can do.',
    '',
    ...sections,
  ].join('\n');
  await expect(page).toMatchFileSnapshot(path.join(import.meta.dirname, '../docs/guide/clients.md'));
});
