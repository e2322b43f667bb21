import { describe, expect, it } from 'vitest';
import { NativeLog } from './native-log.ts';

const logOf = (...lines: string[]) => {
  const log = new NativeLog();
  for (const line of lines) log.add(line);
  return log;
};

describe('the log of a model process', () => {
  it('names the cause of a failed load, not what fails after it', () => {
    const log = logOf(
      'llama_model_loader: loaded meta data with 30 key-value pairs',
      "llama_model_load: error loading model: unknown model architecture: 'nonesuch'",
      'llama_model_load_from_file_impl: failed to load model',
    );
    expect(log.reason()).toContain("unknown model architecture: 'nonesuch'");
  });

  it('names the last line of a failure where no line names the cause', () => {
    expect(logOf('failed once', 'GGML_ASSERT(n > 0) failed', 'at main.js').reason()).toContain('GGML_ASSERT(n > 0)');
    expect(logOf('all is well').reason()).toBeUndefined();
  });

  it('keeps its end only', () => {
    const log = logOf('error: long ago', ...Array.from({ length: 40 }, (_, i) => `line ${i}`));
    expect(log.reason()).toBeUndefined();
    expect(log.last(2)).toEqual(['line 38', 'line 39']);
  });
});
