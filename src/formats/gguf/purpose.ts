// What a model is for, told from the header of its file alone: answers, vectors, or scores. Knows no catalogue and no
// native code, so that whoever lists models and whoever loads them agree.
import { metadataBoolean, metadataNumber, metadataString } from './metadata.ts';
import type { GgufFile } from './types.ts';

/** Writing answers, turning text into vectors, or scoring passages against a query. */
export type ModelPurpose = 'chat' | 'embedding' | 'rerank';

/** How the vectors of a text's tokens become one (llama.cpp's `llama_pooling_type`). */
export type ModelPooling = 'mean' | 'cls' | 'last' | 'rank';

const poolings: readonly (ModelPooling | undefined)[] = [undefined, 'mean', 'cls', 'last', 'rank'];

type Header = Pick<GgufFile, 'metadata' | 'tensors'>;

/** Told from its architecture, its pooling and whether it has a classifier. */
export function purposeOf(gguf: Header): ModelPurpose {
  const architecture = metadataString(gguf, 'general.architecture') ?? '';
  const pooling = metadataNumber(gguf, `${architecture}.pooling_type`);
  if (poolings[pooling ?? 0] === 'rank' || gguf.tensors.some((tensor) => /^cls(\.|$)/.test(tensor.name)))
    return 'rerank';
  if (architecture.includes('bert') || architecture.endsWith('embedding')) return 'embedding';
  if (pooling !== undefined && pooling > 0) return 'embedding';
  return metadataBoolean(gguf, `${architecture}.attention.causal`) === false ? 'embedding' : 'chat';
}

/** The pooling a model was made for; mean where its file names none, and rank where it scores. Chat models pool nothing. */
export function poolingOf(gguf: Header): ModelPooling | undefined {
  const purpose = purposeOf(gguf);
  if (purpose === 'chat') return undefined;
  if (purpose === 'rerank') return 'rank';
  const architecture = metadataString(gguf, 'general.architecture') ?? '';
  return poolings[metadataNumber(gguf, `${architecture}.pooling_type`) ?? 0] ?? 'mean';
}

/**
 * Most tokens the model was made for, in one text; undefined where its file does not say. Where positions are looked up
 * in a table there is no more, whatever the metadata says.
 */
export function trainedContextOf(gguf: Header): number | undefined {
  const architecture = metadataString(gguf, 'general.architecture') ?? '';
  const said = metadataNumber(gguf, `${architecture}.context_length`) || undefined;
  const table = gguf.tensors.find(({ name }) => name === 'position_embd.weight')?.shape[1];
  return table === undefined ? said : Math.min(table, said ?? table);
}
