import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { GenerateRequest, Message } from '../../lib/text-model.ts';
import { createChatTemplate, type PromptPiece } from './chat-template.ts';
import { createPromptTokenizer, type PromptVocabulary } from './prompt.ts';

const chatMl = `{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}`;
const trimming = `{{ bos_token }}{% for m in messages %}[{{ m.role }}]{{ m.content | trim }}[/]{% endfor %}`;
const noSystem = `{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}({{ m.role }}){{ m.content }}{% endfor %}`;
const alternating = `{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('roles must alternate') }}{% endif %}({{ m.role }}){{ m.content }}{% endfor %}`;

const text = (role: 'user' | 'assistant', ...texts: string[]): Message => ({
  role,
  content: texts.map((t) => ({ type: 'text', text: t })),
});
const request = (messages: Message[], system?: string): GenerateRequest => ({
  messages,
  ...(system === undefined ? {} : { system: [{ type: 'text', text: system }] }),
  tenant: 't',
  traceId: 'x',
});
const join = (pieces: PromptPiece[]) => pieces.map(({ text }) => text).join('');
const render = (source: string | undefined, wanted: GenerateRequest, knowsChatMl = true) =>
  createChatTemplate(source, { bos: '<s>', eos: '</s>' }, knowsChatMl).render(wanted);

describe('chat templates', () => {
  it('render a conversation as the template says', () => {
    expect(join(render(chatMl, request([text('user', 'hi')], 'be kind')))).toBe(
      '<|im_start|>system\nbe kind<|im_end|>\n<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n',
    );
  });

  it('keep what people wrote apart from what the template wrote', () => {
    const pieces = render(chatMl, request([text('user', 'a<|im_end|>b')]));
    expect(pieces.filter(({ origin }) => origin === 'text')).toEqual([{ origin: 'text', text: 'a<|im_end|>b' }]);
  });

  it('are obeyed where they trim', () => {
    expect(join(render(trimming, request([text('user', '  hi \n')])))).toBe('<s>[user]hi[/]');
  });

  it('get the system text in the first user turn where they refuse a system turn', () => {
    expect(join(render(noSystem, request([text('user', 'hi')], 'be kind')))).toBe('(user)be kind\n\nhi');
  });

  it('get neighbours of one role as one turn', () => {
    expect(
      join(
        render(alternating, request([text('user', 'a'), text('user', 'b'), text('assistant', 'c'), text('user', 'd')])),
      ),
    ).toBe('(user)a\n\nb(assistant)c(user)d');
  });

  it('get the text blocks of a person on lines of their own', () => {
    expect(join(render(alternating, request([text('user', 'a report', 'what does it say?')])))).toBe(
      '(user)a report\nwhat does it say?',
    );
  });

  it('let a final assistant turn be continued', () => {
    expect(join(render(chatMl, request([text('user', 'hi'), text('assistant', 'Well,')])))).toMatch(
      /<\|im_start\|>assistant\nWell,$/,
    );
  });

  it('that refuse a conversation are a bad request', () => {
    expect(() => render(alternating, request([text('assistant', 'a'), text('user', 'b')]))).toThrow(
      expect.objectContaining({ code: 'invalid_request', message: expect.stringContaining('roles must alternate') }),
    );
  });

  it('fall back to ChatML, and to a transcript for models that know no chat', () => {
    expect(join(render(undefined, request([text('user', 'hi')])))).toContain('<|im_start|>user\nhi<|im_end|>');
    expect(join(render(undefined, request([text('user', 'hi')], 'be kind'), false))).toBe(
      'be kind\n\nUser: hi\nAssistant:',
    );
  });

  it('that change what they are given do not lose it silently', () => {
    for (const source of ['{{ messages[0].content | upper }}', '{{ messages[0].content[:5] }}']) {
      expect(() => render(source, request([text('user', 'hello there')]))).toThrow(
        expect.objectContaining({ code: 'unsupported' }),
      );
    }
  });

  it('that cannot be parsed say so', () => {
    expect(() => render('{% for %}', request([text('user', 'hi')]))).toThrow(
      expect.objectContaining({ code: 'model_failed' }),
    );
  });

  it('refuse images', () => {
    const image: Message = { role: 'user', content: [{ type: 'image', mediaType: 'image/png', data: '' }] };
    expect(() => render(chatMl, request([image]))).toThrow(expect.objectContaining({ code: 'unsupported' }));
  });
});

describe('prompt tokens', () => {
  // a toy vocabulary: one token a character, control tokens from 1,000,000 on
  const controlTokens = new Map([
    ['<|im_start|>', 1_000_000],
    ['<|im_end|>', 1_000_001],
    ['<s>', 1_000_002],
  ]);
  const vocabulary: PromptVocabulary = {
    bos: 1_000_002,
    addBos: false,
    controlTokens,
    userDefinedTokens: new Map(),
    cutsByRegex: true,
    tokenize: (t) => Int32Array.from(t, (c) => c.codePointAt(0) as number),
  };
  /** As libllama does: user-defined tokens are matched in any text. */
  const matchingUserDefined: PromptVocabulary = {
    ...vocabulary,
    controlTokens: new Map(),
    userDefinedTokens: controlTokens,
    tokenize: (t) =>
      Int32Array.from(
        t.match(/<\|im_start\|>|<\|im_end\|>|<s>|./gsu) ?? [],
        (c) => controlTokens.get(c) ?? (c.codePointAt(0) as number),
      ),
  };
  const tokenizer = createPromptTokenizer(vocabulary);
  const controls = (tokens: Int32Array) => [...tokens].filter((token) => token >= 1_000_000);
  const hostile = fc.string({
    unit: fc.constantFrom(
      '<|im_end|>',
      '<|im_start|>',
      '<s>',
      '<',
      '|im_start|>',
      'im_end',
      '|>',
      'a',
      '\n',
      '\u{f0000}',
      '0:',
      '1',
    ),
    maxLength: 12,
  });

  it.each([
    ['control tokens', vocabulary],
    ['user-defined tokens', matchingUserDefined],
  ])('hold %s only where the template wrote them, whatever a message says', async (_, vocab) => {
    const source = `${chatMl}{# <s> #}`;
    await fc.assert(
      fc.asyncProperty(hostile, hostile, hostile, async (system, user, prefill) => {
        fc.pre(system !== '');
        const pieces = render(source, request([text('user', user), text('assistant', prefill)], system));
        const tokens = await createPromptTokenizer(vocab, source).tokenize(pieces, 1e9);
        expect(controls(tokens)).toEqual([1_000_000, 1_000_001, 1_000_000, 1_000_001, 1_000_000]);
        const plain = [...tokens]
          .filter((token) => token < 1_000_000)
          .map((token) => String.fromCodePoint(token))
          .join('');
        expect(plain).toBe(`system\n${system}\nuser\n${user}\nassistant\n${prefill}`);
      }),
    );
  });

  it('keep user-defined tokens in a message that are no markup of the template', async () => {
    const spaces = { ...vocabulary, userDefinedTokens: new Map([['  ', 5]]) };
    const seen: string[] = [];
    const tokenize = (t: string) => {
      seen.push(t);
      return vocabulary.tokenize(t);
    };
    await createPromptTokenizer({ ...spaces, tokenize }, 'x  y').tokenize([{ origin: 'text', text: 'a  b' }], 100);
    expect(seen).toEqual(['a  b']);
  });

  it('of plain text between two control tokens are made in one run', async () => {
    const seen: string[] = [];
    const tokenize = (t: string) => {
      seen.push(t);
      return vocabulary.tokenize(t);
    };
    await createPromptTokenizer({ ...vocabulary, tokenize }).tokenize(
      render(chatMl, request([text('user', '\nhi')])),
      1e9,
    );
    expect(seen[0]).toBe('user\n\nhi');
  });

  it('of thousands of letters, spaces or signs in a row are made of short runs: native tokenizers recurse', async () => {
    const runs: string[] = [];
    const tokenize = (t: string) => {
      runs.push(...(t.match(/[\p{L}\p{M}]+|\s+|\p{N}+|[^\s\p{L}\p{M}\p{N}]+/gu) ?? []));
      return vocabulary.tokenize(t);
    };
    for (const unit of ['a', 'é', '𝔞', '東', ' ', '!', '🙂', '7']) {
      const long = unit.repeat(20_000);
      const tokens = await createPromptTokenizer({ ...vocabulary, tokenize }).tokenize(
        [{ origin: 'text', text: long }],
        1e9,
      );
      expect(String.fromCodePoint(...tokens.slice(0, 100))).toBe(unit.repeat(100));
      expect(tokens).toHaveLength(20_000);
    }
    expect(Math.max(...runs.map(({ length }) => length))).toBeLessThanOrEqual(1001);
  });

  it('begin with the beginning-of-text token where the model wants it, once', async () => {
    const wanting = createPromptTokenizer({ ...vocabulary, addBos: true });
    expect(controls(await wanting.tokenize([{ origin: 'template', text: 'hi' }], 100))).toEqual([1_000_002]);
    expect(controls(await wanting.tokenize([{ origin: 'template', text: '<s>hi' }], 100))).toEqual([1_000_002]);
  });

  it('are found whatever signs a control token is written with', async () => {
    const names = ['<tool-call>', '[/INST]', 'a.b*c+', '(x)', '$^', '\\'];
    const odd = createPromptTokenizer({
      ...vocabulary,
      controlTokens: new Map(names.map((name, i) => [name, 1_000_000 + i])),
    });
    const tokens = await odd.tokenize([{ origin: 'template', text: names.join(' ') }], 100);
    expect(controls(tokens)).toEqual(names.map((_, i) => 1_000_000 + i));
  });

  it('that fill the context are refused with both numbers', async () => {
    const pieces: PromptPiece[] = [{ origin: 'text', text: 'x'.repeat(10) }];
    expect(await tokenizer.tokenize(pieces, 11)).toHaveLength(10);
    await expect(tokenizer.tokenize(pieces, 10)).rejects.toMatchObject({
      code: 'context_exceeded',
      message: expect.stringMatching(/10 tokens.*holds 10/),
    });
  });

  it('of a huge prompt are not all made before it is refused', async () => {
    let seen = 0;
    const tokenize = (t: string) => {
      seen += t.length;
      return vocabulary.tokenize(t);
    };
    const counting = createPromptTokenizer({ ...vocabulary, tokenize });
    await expect(counting.tokenize([{ origin: 'text', text: 'word '.repeat(2_000_000) }], 4096)).rejects.toThrow(
      /more than/,
    );
    expect(seen).toBeLessThan(20_000);
  });

  it('of a prompt that can never fit are not made at all', async () => {
    let calls = 0;
    const tokenize = (t: string) => {
      calls += 1;
      return vocabulary.tokenize(t);
    };
    const bounded = createPromptTokenizer({ ...vocabulary, tokenize, longestTokenBytes: () => 10 });
    const pieces: PromptPiece[] = [{ origin: 'text', text: 'x'.repeat(501) }];
    await expect(bounded.tokenize(pieces, 50)).rejects.toMatchObject({
      code: 'context_exceeded',
      message: expect.stringMatching(/at least 51 tokens.*holds 50/),
      tokens: { prompt: 51, context: 50 },
    });
    expect(calls).toBe(0);
    expect(await bounded.tokenize(pieces, Number.POSITIVE_INFINITY)).toHaveLength(501);
  });

  it('of many short turns are not all made before the prompt is refused', async () => {
    let calls = 0;
    const tokenize = (t: string) => {
      calls += 1;
      return vocabulary.tokenize(t);
    };
    const pieces = Array.from({ length: 50_000 }, (): PromptPiece[] => [
      { origin: 'template', text: '<|im_start|>' },
      { origin: 'text', text: 'a' },
    ]).flat();
    const counting = createPromptTokenizer({ ...vocabulary, tokenize });
    await expect(counting.tokenize(pieces, 100)).rejects.toMatchObject({ code: 'context_exceeded' });
    expect(calls).toBeLessThan(100);
  });

  it('of many short turns let others in between', async () => {
    let turns = 0;
    const turning = setInterval(() => {
      turns += 1;
    }, 0);
    const pieces = Array.from({ length: 5_000 }, (): PromptPiece[] => [
      { origin: 'template', text: '<|im_start|>' },
      { origin: 'text', text: 'a' },
    ]).flat();
    await tokenizer.tokenize(pieces, Number.POSITIVE_INFINITY);
    clearInterval(turning);
    expect(turns).toBeGreaterThan(5);
  });

  it('of plain text are no control tokens, though its pieces join to the name of one', async () => {
    /** As SentencePiece does: the longest names first, those of control tokens too, and a space before a text. */
    const joining: PromptVocabulary = {
      ...vocabulary,
      cutsByRegex: false,
      controlTokens: new Map([
        ['</s>', 1_000_000],
        ['/s>', 1_000_001],
        ['s', 1_000_002],
      ]),
      tokenize: (t) =>
        Int32Array.from(
          ` ${t}`.match(/<\/s>|\/s>|./gsu) ?? [],
          (c) => joining.controlTokens.get(c) ?? (c.codePointAt(0) as number),
        ),
    };
    const tokens = await createPromptTokenizer(joining).tokenize([{ origin: 'text', text: 'a </s>b/s>' }], 100);
    expect(controls(tokens)).toEqual([]);
    // the letter that is itself a control token is lost; all else is as it was written
    expect(String.fromCodePoint(...tokens)).toBe(' a </>b/>');
  });

  it('of a long prompt let others in between, and stop where the request is cancelled', async () => {
    let turns = 0;
    const turning = setInterval(() => {
      turns += 1;
    }, 0);
    const pieces: PromptPiece[] = [{ origin: 'text', text: 'word '.repeat(100_000) }];
    await tokenizer.tokenize(pieces, Number.POSITIVE_INFINITY);
    clearInterval(turning);
    expect(turns).toBeGreaterThan(5);
    await expect(tokenizer.tokenize(pieces, Number.POSITIVE_INFINITY, () => true)).rejects.toMatchObject({
      code: 'cancelled',
    });
  });
});
