import { describe, expect, it } from 'vitest';
import { ageGroup, formatDuration, formatRate, formatTokens } from './format.ts';

describe('format', () => {
  it('durations', () => {
    expect([180, 999, 3200, 59_960, 65_000].map(formatDuration)).toEqual([
      '0.18 s',
      '1.00 s',
      '3.2 s',
      '1 min 0 s',
      '1 min 5 s',
    ]);
  });

  it('rates and token counts', () => {
    expect([8.44, 142.3].map(formatRate)).toEqual(['8.4 tokens/s', '142 tokens/s']);
    expect([1, 2048].map(formatTokens)).toEqual(['1 token', '2,048 tokens']);
  });

  it('groups dates by calendar day, not by 24 hours', () => {
    const now = new Date(2026, 10, 22, 9).getTime();
    const at = (day: number, hour: number) => ageGroup(new Date(2026, 10, day, hour).getTime(), now);
    expect([at(22, 0), at(21, 23), at(21, 1), at(20, 12), at(15, 12), at(1, 12)]).toEqual([
      'Today',
      'Yesterday',
      'Yesterday',
      'Previous 7 days',
      'Previous 7 days',
      'Previous 30 days',
    ]);
    expect(ageGroup(0, now)).toBe('Older');
  });
});
