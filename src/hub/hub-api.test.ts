// Which files of a repository a reference means. The list itself is exercised in pull.test.ts.
import { describe, expect, it } from 'vitest';
import { chooseModel, fileUrl, type HubFile, modelsIn } from './hub-api.ts';

const files = (...paths: string[]): HubFile[] => paths.map((path, index) => ({ path, sizeBytes: 1000 + index }));

describe('the models of a repository', () => {
  it('are its GGUF files, parts put together, image parts and importance matrices left out', () => {
    const models = modelsIn(
      files(
        'README.md',
        'm-Q8_0.gguf',
        'mmproj-m-F16.gguf',
        'm.imatrix.gguf',
        'UD-Q4_K_XL/m-UD-Q4_K_XL-00002-of-00002.gguf',
        'UD-Q4_K_XL/m-UD-Q4_K_XL-00001-of-00002.gguf',
        'BF16/m-00001-of-00001.gguf',
        'm-Q2_K-00001-of-00003.gguf',
      ),
    );
    expect(models.map((model) => [model.quantisation, model.files.map((file) => file.path)])).toEqual([
      ['BF16', ['BF16/m-00001-of-00001.gguf']],
      ['UD-Q4_K_XL', ['UD-Q4_K_XL/m-UD-Q4_K_XL-00001-of-00002.gguf', 'UD-Q4_K_XL/m-UD-Q4_K_XL-00002-of-00002.gguf']],
      ['Q8_0', ['m-Q8_0.gguf']],
    ]);
  });
});

describe('the choice', () => {
  const all = files('m-F16.gguf', 'm-Q8_0.gguf', 'm-Q4_K_M.gguf', 'm-IQ1_S.gguf');
  const chosen = (wanted: { file?: string; quantisation?: string }, from = all) =>
    chooseModel('o/r', from, wanted).files[0]?.path;

  it('is the best of the usual quantisations when none is named', () => {
    expect(chosen({})).toBe('m-Q4_K_M.gguf');
    expect(chosen({}, files('m-F16.gguf', 'm-IQ1_S.gguf'))).toBe('m-F16.gguf');
    expect(chosen({}, files('strange.gguf'))).toBe('strange.gguf');
  });

  it('is the one named, by quantisation or file', () => {
    expect(chosen({ quantisation: 'Q8_0' })).toBe('m-Q8_0.gguf');
    expect(chosen({ file: 'm-F16.gguf' })).toBe('m-F16.gguf');
  });

  it('is found again by its quantisation when the file was renamed, where that leaves no doubt', () => {
    expect(chosen({ file: 'owner_m-Q8_0.gguf' })).toBe('m-Q8_0.gguf');
    const doubtful = files('a-Q8_0.gguf', 'b-Q8_0.gguf');
    expect(() => chosen({ file: 'm-Q8_0.gguf' }, doubtful)).toThrow(
      expect.objectContaining({ code: 'model_not_found' }),
    );
  });

  it('says what there is when nothing matches', () => {
    expect(() => chosen({ quantisation: 'Q3_K_M' })).toThrow(
      expect.objectContaining({ code: 'model_not_found', hint: expect.stringContaining('Q4_K_M') }),
    );
    expect(() => chosen({}, files('model.safetensors'))).toThrow(
      expect.objectContaining({ hint: expect.stringContaining('-GGUF') }),
    );
  });
});

it('builds addresses that survive odd file names and a mirror with a path', () => {
  expect(fileUrl('o/r', 'a b/c#1.gguf', 'https://mirror.example/hf/').href).toBe(
    'https://mirror.example/hf/o/r/resolve/main/a%20b/c%231.gguf',
  );
});
