import { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { type ConfigKey, configSchema, secretConfigKeys } from '../lib/config.ts';
import { addSettings, givenSettings, settingFlags } from './settings.ts';

const keys = Object.keys(configSchema.shape) as ConfigKey[];

describe('flags of settings', () => {
  it('are there for every setting of the schema that is no secret, and no other', () => {
    expect(Object.keys(settingFlags).sort()).toEqual(keys.filter((key) => !secretConfigKeys.has(key)).sort());
  });

  it('say the same as the schema', () => {
    for (const key of Object.keys(settingFlags) as ConfigKey[]) {
      expect(settingFlags[key]?.help, key).toBe(configSchema.shape[key].description);
      const fallback = configSchema.shape[key].parse(undefined);
      const shown = settingFlags[key]?.fallback;
      const words: Record<string, string> = { true: 'on', false: 'off' };
      if (key !== 'home') expect(shown, key).toBe(words[String(fallback)] ?? String(fallback));
    }
  });

  const parse = (...argv: string[]) => {
    const command = addSettings(new Command(), Object.keys(settingFlags) as ConfigKey[]);
    command.parse(argv, { from: 'user' });
    return givenSettings(command);
  };

  it('give nothing when nothing was given', () => {
    expect(parse()).toEqual({});
  });

  it('give what was given, under the name of the setting', () => {
    expect(parse('--port', '0', '--model', 'm', '--no-auth', '--force', '--context-tokens', '4096')).toEqual({
      port: '0',
      defaultModel: 'm',
      auth: false,
      force: true,
      contextTokens: '4096',
    });
  });
});
