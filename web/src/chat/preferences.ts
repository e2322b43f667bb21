// What the reader chose for the next messages: the model and how it is asked. Kept in the browser.

export interface Preferences {
  /** A model id of GET /v1/models; `default` is whatever the operator chose. */
  model: string;
  /** Put before every conversation; empty for none. */
  system: string;
  /** 0..1; undefined: the server's default. */
  temperature: number | undefined;
  /** Most tokens of one answer, >= 1. */
  maxTokens: number;
}

export const defaultPreferences: Preferences = {
  model: 'default',
  system: '',
  temperature: undefined,
  maxTokens: 2048,
};

/** What the server takes where no temperature is sent; for showing. */
export const serverTemperature = 0.7;

const key = 'freehold/preferences';

/** The stored preferences; what is missing or out of range is the default. */
export function readPreferences(storage: Pick<Storage, 'getItem'>): Preferences {
  let stored: Partial<Record<keyof Preferences, unknown>> = {};
  try {
    stored = JSON.parse(storage.getItem(key) ?? '{}') ?? {};
  } catch {
    // a damaged item is as good as none
  }
  const { model, system, temperature, maxTokens } = stored;
  return {
    model: typeof model === 'string' && model !== '' ? model : defaultPreferences.model,
    system: typeof system === 'string' ? system : '',
    temperature: typeof temperature === 'number' && temperature >= 0 && temperature <= 1 ? temperature : undefined,
    maxTokens:
      Number.isInteger(maxTokens) && (maxTokens as number) >= 1 ? (maxTokens as number) : defaultPreferences.maxTokens,
  };
}

export function writePreferences(storage: Pick<Storage, 'setItem'>, preferences: Preferences): void {
  try {
    storage.setItem(key, JSON.stringify(preferences));
  } catch {
    // full or forbidden storage: the choice lasts as long as the page
  }
}

/** Whether anything but the model differs from the defaults: worth a mark on the settings button. */
export function isCustomised({ system, temperature, maxTokens }: Preferences): boolean {
  return system.trim() !== '' || temperature !== undefined || maxTokens !== defaultPreferences.maxTokens;
}
