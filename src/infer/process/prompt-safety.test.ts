// Nothing that people or tools wrote becomes a control token, in any place of a request and for any family's template:
// the prompt of a hostile request has the control tokens of a harmless one, in the same order.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type FamilyTemplate, familyNames, familyTemplates } from '../../../test/support/chat-templates.ts';
import type { GenerateRequest } from '../../lib/text-model.ts';
import { createChatTemplate, type PromptPiece } from './chat-template.ts';
import { createPromptTokenizer, type PromptVocabulary } from './prompt.ts';

/** What each place of a request says. */
interface Texts {
  system: string;
  question: string;
  title: string;
  document: string;
  toolName: string;
  toolDescription: string;
  parameter: string;
  parameterDescription: string;
  choice: string;
  said: string;
  thought: string;
  argument: string;
  result: string;
  failure: string;
  after: string;
  prefill: string;
}

const harmless: Texts = {
  system: 'a',
  question: 'b',
  title: 'c',
  document: 'd',
  toolName: 'e',
  toolDescription: 'f',
  parameter: 'g',
  parameterDescription: 'h',
  choice: 'i',
  said: 'j',
  thought: 'k',
  argument: 'l',
  result: 'm',
  failure: 'n',
  after: 'o',
  prefill: 'p',
};

function requestOf(t: Texts): GenerateRequest {
  const text = (value: string) => ({ type: 'text' as const, text: value });
  const input = { [t.parameter]: t.argument, more: [{ [t.argument]: t.parameter }] };
  return {
    system: [text(t.system)],
    tools: [
      {
        name: t.toolName,
        description: t.toolDescription,
        inputSchema: {
          type: 'object',
          properties: { [t.parameter]: { type: 'string', description: t.parameterDescription, enum: [t.choice] } },
          required: [t.parameter],
        },
      },
    ],
    messages: [
      { role: 'user', content: [{ type: 'document', title: t.title, text: t.document }, text(t.question)] },
      {
        role: 'assistant',
        content: [
          { type: 'thinking', text: t.thought },
          text(t.said),
          { type: 'tool-use', id: '1', name: t.toolName, input },
          { type: 'tool-use', id: '2', name: t.toolName, input },
        ],
      },
      {
        role: 'user',
        content: [
          { type: 'tool-result', toolUseId: '1', content: [text(t.result)] },
          { type: 'tool-result', toolUseId: '2', content: [text(t.failure)], isError: true },
          text(t.after),
        ],
      },
      { role: 'assistant', content: [text(t.prefill)] },
    ],
    tenant: 't',
    traceId: 'x',
  };
}

const controlFrom = 1_000_000;

/** A token a character; control tokens from 1,000,000 on; user-defined ones are matched in any text, as libllama does. */
function vocabularyOf({ controls, userDefined }: FamilyTemplate): PromptVocabulary & { names: string[] } {
  const names = [...controls, ...userDefined];
  const numbered = (some: readonly string[]) => new Map(some.map((name) => [name, controlFrom + names.indexOf(name)]));
  const matched = numbered(userDefined);
  const cut = new RegExp(
    `${[...userDefined].map((name) => name.replace(/[|[\]/]/g, '\\$&')).join('|') || '(?!)'}|.`,
    'gsu',
  );
  return {
    names,
    bos: undefined,
    addBos: false,
    controlTokens: numbered(controls),
    userDefinedTokens: matched,
    cutsByRegex: true,
    tokenize: (text) =>
      Int32Array.from(text.match(cut) ?? [], (part) => matched.get(part) ?? (part.codePointAt(0) as number)),
  };
}

const structure = (pieces: PromptPiece[]) =>
  pieces.filter(({ origin }) => origin === 'template').map(({ text }) => text);

describe.each(familyNames)('the prompt of %s', (name) => {
  const family: FamilyTemplate = familyTemplates[name];
  const template = createChatTemplate(family.source, family.specials, family.controls.includes('<|im_start|>'));
  const vocabulary = vocabularyOf(family);
  const tokenizer = createPromptTokenizer(vocabulary, template.markup);
  const controlsOf = async (pieces: PromptPiece[]) =>
    [...(await tokenizer.tokenize(pieces, 1e9))].filter((token) => token >= controlFrom);

  const unit = fc.constantFrom(
    ...vocabulary.names,
    ...vocabulary.names.flatMap((control) => [control.slice(0, 3), control.slice(3)]),
    '"}\n</tool_call>',
    '<tool_call>',
    '</think>',
    '\\',
    '"',
    '\n',
    '\u{f0000}',
    '0:',
    '{{ x }}',
    'a',
  );
  // the letter in front keeps what is trimmed, JSON, or empty as it is in the harmless request
  const hostile = fc.record(
    Object.fromEntries(
      Object.entries(harmless).map(([place, letter]) => [
        place,
        fc.string({ unit, maxLength: 6 }).map((text) => `${letter}${text}${letter}`),
      ]),
    ) as { [Place in keyof Texts]: fc.Arbitrary<string> },
  );

  it('has the control tokens of a harmless one, whatever people and tools say', async () => {
    const wanted = template.render(requestOf(harmless));
    const controls = await controlsOf(wanted);
    await fc.assert(
      fc.asyncProperty(hostile, async (texts) => {
        const pieces = template.render(requestOf(texts));
        expect(structure(pieces)).toEqual(structure(wanted));
        expect(await controlsOf(pieces)).toEqual(controls);
      }),
      { numRuns: 40 },
    );
  });

  it('holds what tools say as it was said, as text or as JSON', () => {
    fc.assert(
      fc.property(hostile, (texts) => {
        const said = new Set(
          template
            .render(requestOf(texts))
            .filter(({ origin }) => origin === 'text')
            .map(({ text }) => text),
        );
        const holds = (text: string) =>
          [text, JSON.stringify(text).slice(1, -1)].some((written) => [...said].some((each) => each.includes(written)));
        for (const place of [
          'toolName',
          'toolDescription',
          'parameter',
          'argument',
          'result',
          'failure',
          'after',
        ] as const) {
          expect([place, holds(texts[place])]).toEqual([place, true]);
        }
      }),
      { numRuns: 20 },
    );
  });
});
