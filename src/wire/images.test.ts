import { describe, expect, it } from 'vitest';
import { catalogue } from '../hub/catalogue.ts';
import { imagesRefused, modelsThatSee } from './images.ts';

describe('the refusal of an image', () => {
  it('names the field as the protocol spells it', () => {
    expect(imagesRefused(['messages', 0, 'content', 1], 'dots')).toMatchObject({
      code: 'unsupported',
      status: 400,
      field: 'messages.0.content.1',
      message: expect.stringMatching(/^messages\.0\.content\.1: Local models cannot read images/),
    });
    expect(imagesRefused(['messages', 0, 'content', 1], 'brackets').field).toBe('messages[0].content[1]');
  });

  it('names models that could', () => {
    const { message } = imagesRefused(['messages'], 'dots');
    for (const name of modelsThatSee) expect(message).toContain(name);
  });

  it('speaks the truth: no model of the catalogue sees', () => {
    expect(catalogue.filter(({ abilities }) => abilities.includes('vision'))).toEqual([]);
  });
});
