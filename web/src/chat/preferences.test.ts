import { describe, expect, it } from 'vitest';
import { defaultPreferences, isCustomised, readPreferences, writePreferences } from './preferences.ts';

const storage = (item: string | null) => ({ getItem: () => item });

describe('preferences', () => {
  it('come back as they were written', () => {
    const items: string[] = [];
    const chosen = { model: 'qwen3', system: 'Be brief.', temperature: 0, maxTokens: 100 };
    writePreferences({ setItem: (_, value) => void items.push(value) }, chosen);
    expect(readPreferences(storage(items[0] ?? null))).toEqual(chosen);
  });

  it('are the defaults where nothing valid is stored', () => {
    for (const item of [null, '{', 'null', '{"model":3,"temperature":9,"maxTokens":0,"system":[]}'])
      expect(readPreferences(storage(item))).toEqual(defaultPreferences);
  });

  it('count as customised by more than the model', () => {
    expect(isCustomised({ ...defaultPreferences, model: 'x', system: '  ' })).toBe(false);
    expect(isCustomised({ ...defaultPreferences, temperature: 0 })).toBe(true);
  });
});
