// A run small enough for tests: settings, texts and a device that any test may change.
import { derive, type Overrides } from '../../models/dial.ts';
import type { Device } from '../../tensor/device.ts';
import { createReferenceDevice } from '../../tensor/reference/reference-device.ts';
import { bytesTokenizer } from '../../tokenizer/tokenizer.ts';
import type { RunSettings } from '../run-settings.ts';

export const text = 'The cat sat on the mat; the dog sat on the log. Rain fell on the roof all night.\n'.repeat(12);

/** Parts of settings replace those of a run of 8 steps on bytes. */
export function smallSettings(
  change: { [Part in keyof RunSettings]?: Partial<RunSettings[Part]> } = {},
  overrides: Overrides = {},
): RunSettings {
  const base: RunSettings = {
    version: 1,
    name: 'small',
    createdAt: '2026-01-01T00:00:00.000Z',
    seed: 7,
    recipe: derive(1, {
      width: 16,
      heads: 2,
      context: 16,
      vocab: bytesTokenizer().vocab,
      batchTokens: 64,
      steps: 8,
      warmupSteps: 2,
      ...overrides,
    }),
    data: { sources: ['/text.txt'], tokenizer: { kind: 'bytes' }, validation: 0.1, order: 'packed' },
    optimizer: { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, momentum: 0.95, clip: 0 },
    memory: {
      rowsPerPass: 4,
      recompute: false,
      computeType: 'f32',
      lossChunk: 64,
      keepAttention: false,
      attentionChunk: 0,
    },
    validation: { everySteps: 0, mostTokens: 64 },
    samples: { everySteps: 0, prompt: 'The', tokens: 4, temperature: 1 },
    checkpoints: { everySteps: 4, everyMinutes: 0, keepLast: 2, keepBest: false },
    device: 'cpu',
    threads: 1,
  };
  return Object.fromEntries(
    Object.entries(base).map(([name, part]) => {
      const given = change[name as keyof RunSettings];
      return [name, typeof part === 'object' ? { ...part, ...(given as object) } : (given ?? part)];
    }),
  ) as RunSettings;
}

/** The reference device with states of f32, as every other device has them and a checkpoint keeps them. */
export function createF32Device(): Device {
  const device = createReferenceDevice();
  const round = () => {
    for (const name of device.states().keys()) device.write(name, device.read(name));
  };
  return {
    name: device.name,
    compile(program) {
      const executable = device.compile(program);
      return {
        ...executable,
        async run() {
          await executable.run();
          round();
        },
      };
    },
    states: () => device.states(),
    write: (name, values) => device.write(name, values),
    read: (name) => device.read(name),
    get stateBytes() {
      return device.stateBytes;
    },
    dispose: () => device.dispose(),
  };
}
