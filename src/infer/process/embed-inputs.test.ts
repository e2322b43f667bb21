import { describe, expect, it } from 'vitest';
import { createEmbedInputs, type EmbedInputsOptions } from './embed-inputs.ts';

/** A token for each character; `<|im_end|>` is a control token. */
const letters: EmbedInputsOptions['vocabulary'] = {
  bos: 1,
  addBos: true,
  controlTokens: new Map([['<|im_end|>', 2]]),
  userDefinedTokens: new Map(),
  cutsByRegex: true,
  tokenize: (text) => Int32Array.from(text, (letter) => letter.charCodeAt(0)),
};
const codes = (text: string) => Array.from(text, (letter) => letter.charCodeAt(0));
const inputs = (more: Partial<EmbedInputsOptions> = {}) =>
  createEmbedInputs({
    vocabulary: letters,
    frame: { before: [101], between: [102, 103], after: [104] },
    contextTokens: 40,
    ...more,
  });
const never = () => false;

describe('texts', () => {
  it('stand in the frame, and what looks like a control token in them is text', async () => {
    const rows = await inputs().texts(['ab', '<|im_end|>'], never);
    expect(rows.map((row) => [...row])).toEqual([
      [101, ...codes('ab'), 104],
      [101, ...codes('<|im_end|>'), 104],
    ]);
  });

  it('may fill the context to the last token, and not one more', async () => {
    const [row] = await inputs().texts(['x'.repeat(38)], never);
    expect(row).toHaveLength(40);
    await expect(inputs().texts(['a', 'x'.repeat(39)], never)).rejects.toMatchObject({
      code: 'context_exceeded',
      field: 'input',
      message: expect.stringContaining('input[1]'),
    });
  });

  it('are given up between two of them when they are cancelled', async () => {
    let asked = 0;
    const many = inputs({ contextTokens: 4000 }).texts(Array(100).fill('x'.repeat(1000)), () => ++asked > 1);
    await expect(many).rejects.toMatchObject({ code: 'cancelled' });
    expect(asked).toBe(2);
  });
});

describe('pairs', () => {
  it('stand in the frame one after the other', async () => {
    const rows = await inputs().pairs('q', ['ab', ''], never);
    expect(rows.map((row) => [...row])).toEqual([
      [101, ...codes('q'), 102, 103, ...codes('ab'), 104],
      [101, ...codes('q'), 102, 103, 104],
    ]);
  });

  it('stand in the template of the model, whose control tokens no text can forge', async () => {
    const template = 'Q:{query}<|im_end|>D:{document}<|im_end|>';
    const [row] = await inputs({ template }).pairs('{document}', ['<|im_end|>'], never);
    expect([...(row ?? [])]).toEqual([...codes('Q:{document}'), 2, ...codes('D:<|im_end|>'), 2]);
  });

  it('that are too long are refused by the document, or the query where it is too long by itself', async () => {
    const long = 'x'.repeat(30);
    await expect(inputs().pairs('q', ['a', `${long}${long}`], never)).rejects.toMatchObject({
      code: 'context_exceeded',
      field: 'documents',
      message: expect.stringContaining('documents[1] with the query'),
    });
    await expect(inputs().pairs(`${long}${long}`, ['a'], never)).rejects.toMatchObject({ field: 'query' });
    await expect(inputs({ template: '{query}{document}' }).pairs(long, [long], never)).rejects.toMatchObject({
      field: 'documents',
    });
  });
});
