// Validation: the mean loss over what was held out, in rows that follow each other and share no target, every target with what its
// row holds before it. That is nanoGPT's measure with every row taken once in place of a few hundred drawn at random; no
// window slides, which would give every target a longer context and a better number.
import type { Device } from '../tensor/device.ts';
import { Graph } from '../tensor/tensor.ts';
import { emptyBatch, fillRows } from './batches.ts';
import { setBatch, setConstants, writeLoss } from './forward-pass.ts';
import { packRows } from './packing.ts';
import type { TokenPool } from './pool.ts';
import type { RunSettings } from './run-settings.ts';
import type { Spans } from './validation-split.ts';

export interface ValidationResult {
  /** Mean over the targets, in nats. */
  loss: number;
  /** All nats as bits, by the bytes of the targets: whatever the tokenizer, comparable. */
  bitsPerByte: number;
  targets: number;
}

export interface Evaluator {
  /** @param mostTokens takes rows evenly from all of them; default all */
  validate(mostTokens?: number): Promise<ValidationResult>;
  readonly workBytes: number;
  dispose(): void;
}

/**
 * @param options.bytesOfToken bytes that each id stands for
 * @returns undefined where nothing was held out
 * @throws FreeholdError does_not_fit
 */
export function createEvaluator(
  device: Device,
  settings: RunSettings,
  options: { pool: TokenPool; spans: Spans; bytesOfToken: ArrayLike<number> },
): Evaluator | undefined {
  const { context } = settings.recipe.model;
  const rows = packRows(options.spans, { context });
  if (rows.count === 0) return undefined;
  const perPass = Math.min(settings.memory.rowsPerPass, rows.count);
  const shape = { rows: perPass, mixed: rows.mixed };
  const graph = new Graph();
  const loss = writeLoss(graph, settings, shape);
  const executable = device.compile({ graph, outputs: { loss }, updates: [] });
  setConstants(executable, settings);
  const batch = emptyBatch(perPass, context);

  return {
    workBytes: executable.workBytes,
    async validate(mostTokens = Number.POSITIVE_INFINITY) {
      const wanted = Math.min(rows.count, Math.max(1, Math.floor(mostTokens / context)));
      let nats = 0;
      let targets = 0;
      let bytes = 0;
      for (let done = 0; done < wanted; done += perPass) {
        const count = Math.min(perPass, wanted - done);
        const chosen = Array.from({ length: count }, (_, index) => Math.floor(((done + index) * rows.count) / wanted));
        fillRows(batch, options.pool, rows, chosen);
        for (const [place, document] of batch.documents.entries())
          if (document >= 0) bytes += options.bytesOfToken[batch.targets[place] as number] ?? 0;
        setBatch(executable, settings, shape, { batch, weight: 1 });
        await executable.run();
        nats += executable.get('loss')[0] as number;
        targets += batch.count;
      }
      return { loss: nats / targets, bitsPerByte: nats / Math.LN2 / Math.max(1, bytes), targets };
    },
    dispose: () => executable.dispose(),
  };
}
