import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { FreeholdError } from '../lib/errors.ts';
import { samplingFields, samplingOf } from './sampling.ts';
import { validate } from './validate.ts';

const schema = z.looseObject({ temperature: z.number().min(0).max(2).nullish(), ...samplingFields });
const read = (body: unknown) => samplingOf(validate(schema, body, 'brackets'), 'brackets');

describe('sampling settings', () => {
  it('become canonical, whichever client’s names they have', () => {
    expect(
      read({
        temperature: 1,
        top_p: 0.9,
        top_k: 2 ** 40,
        min_p: 0.1,
        typical_p: 0.8,
        top_n_sigma: 1.5,
        repetition_penalty: 1.1,
        repeat_last_n: -1,
        presence_penalty: -0.5,
        frequency_penalty: 0.25,
        dry_multiplier: 0.8,
        dry_base: 2,
        dry_allowed_length: 3,
        dry_penalty_last_n: 100,
        dry_sequence_breakers: ['\n', '—'],
        logit_bias: { 0: -100, 17: 2.5 },
        seed: -1,
      }),
    ).toEqual({
      temperature: 1,
      topP: 0.9,
      topK: 2 ** 31 - 1,
      minP: 0.1,
      typicalP: 0.8,
      topNSigma: 1.5,
      repetitionPenalty: 1.1,
      penaltyWindow: -1,
      presencePenalty: -0.5,
      frequencyPenalty: 0.25,
      dry: { multiplier: 0.8, base: 2, allowedLength: 3, penaltyWindow: 100, sequenceBreakers: ['\n', '—'] },
      logitBias: { 0: -100, 17: 2.5 },
      seed: 0xffff_ffff,
    });
    expect(read({ repeat_penalty: 1.2, top_n_sigma: -1 })).toEqual({ repetitionPenalty: 1.2, topNSigma: 0 });
    expect(read({ repeat_penalty: 1.2, repetition_penalty: 1.2 })).toEqual({ repetitionPenalty: 1.2 });
  });

  it('that are null or missing are the engine’s to choose', () => {
    expect(read({})).toEqual({});
    expect(read(Object.fromEntries(Object.keys(samplingFields).map((field) => [field, null])))).toEqual({});
    expect(read({ logit_bias: {} })).toEqual({});
  });

  it.each<[object, string, RegExp]>([
    [{ typical_p: 1.1 }, 'typical_p', /less than or equal to 1/],
    [{ repetition_penalty: 0 }, 'repetition_penalty', /greater than or equal to 0.01, but 0/],
    [{ repeat_penalty: 1, repetition_penalty: 1.5 }, 'repeat_penalty', /repetition_penalty, which is 1.5/],
    [{ repeat_last_n: -2 }, 'repeat_last_n', /greater than or equal to -1/],
    [{ presence_penalty: 3 }, 'presence_penalty', /less than or equal to 2/],
    [{ frequency_penalty: 'much' }, 'frequency_penalty', /a number, but "much"/],
    [{ dry_multiplier: -1 }, 'dry_multiplier', /greater than or equal to 0/],
    [{ dry_multiplier: 1, dry_base: 0.5 }, 'dry_base', /greater than or equal to 1/],
    [{ dry_base: 2 }, 'dry_multiplier', /Field required/],
    [{ dry_multiplier: 1, dry_sequence_breakers: [''] }, 'dry_sequence_breakers[0]', /not be empty/],
    [{ logit_bias: { 5: 101 } }, 'logit_bias.5', /less than or equal to 100/],
    [{ logit_bias: { ' the': 1 } }, 'logit_bias', /token ids.*" the"/],
    [{ logit_bias: { '-1': 1 } }, 'logit_bias', /token ids/],
    [{ logit_bias: { '1e3': 1 } }, 'logit_bias', /token ids/],
    [{ logit_bias: [[1, 2]] }, 'logit_bias', /an array/],
    [
      { logit_bias: Object.fromEntries(Array.from({ length: 1025 }, (_, token) => [token, 1])) },
      'logit_bias',
      /At most 1024/,
    ],
    [{ seed: 1.5 }, 'seed', /integer/],
  ])('out of range or contradictory are refused by name: %j', (body, field, message) => {
    expect(() => read(body)).toThrow(
      expect.objectContaining({ code: 'invalid_request', field, message: expect.stringMatching(message) }),
    );
  });

  it('fail in no other way, whatever is sent', () => {
    const body = fc.dictionary(fc.constantFrom(...Object.keys(samplingFields)), fc.jsonValue());
    fc.assert(
      fc.property(body, (given) => {
        try {
          read(given);
        } catch (error) {
          expect(error).toBeInstanceOf(FreeholdError);
        }
      }),
    );
  });
});
