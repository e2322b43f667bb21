// The forward pass of the BERT-shaped fixture, as the paper has it, slowly and in double precision: what the engine's
// vectors and scores are compared with. GELU is the tanh form, which libllama uses.
import { bertShape } from '../../scripts/fixture-bert.ts';
import type { GgufContent } from '../../src/formats/gguf/write.ts';

type Rows = number[][];

export interface Forward {
  /** (T, D), the last block's output for each token. */
  rows: Rows;
  /** What the classifier says of the first token, where there is one. */
  logit: number | undefined;
}

/** @param tokens with [CLS] and [SEP] in place */
export function bertForward(content: GgufContent, tokens: readonly number[]): Forward {
  const { D, H, blocks } = bertShape;
  const weights = new Map(
    content.tensors.map(({ name, data }) => [name, new Float32Array((data as Uint8Array).slice().buffer)]),
  );
  const tensor = (name: string): Float32Array => {
    const found = weights.get(name);
    if (!found) throw new Error(`no tensor ${name}`);
    return found;
  };
  const row = (name: string, index: number) => Array.from(tensor(name).subarray(index * D, (index + 1) * D));
  const add = (a: readonly number[], b: readonly number[]) => a.map((value, i) => value + (b[i] as number));
  const dense = (name: string, x: readonly number[]) => {
    const weight = tensor(`${name}.weight`);
    return Array.from(tensor(`${name}.bias`), (bias, out) =>
      x.reduce((sum, value, i) => sum + value * (weight[out * x.length + i] as number), bias),
    );
  };
  const norm = (name: string, x: readonly number[]) => {
    const mean = x.reduce((sum, value) => sum + value, 0) / x.length;
    const variance = x.reduce((sum, value) => sum + (value - mean) ** 2, 0) / x.length;
    const [weight, bias] = [tensor(`${name}.weight`), tensor(`${name}.bias`)];
    return x.map(
      (value, i) => ((value - mean) / Math.sqrt(variance + 1e-12)) * (weight[i] as number) + (bias[i] as number),
    );
  };
  const gelu = (x: number) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));

  let rows: Rows = tokens.map((token, position) => {
    const summed = add(
      add(row('token_embd.weight', token), row('token_types.weight', 0)),
      row('position_embd.weight', position),
    );
    return norm('token_embd_norm', summed);
  });
  for (let block = 0; block < blocks; block++) {
    const name = (part: string) => `blk.${block}.${part}`;
    const [q, k, v] = ['attn_q', 'attn_k', 'attn_v'].map((part) => rows.map((x) => dense(name(part), x))) as [
      Rows,
      Rows,
      Rows,
    ];
    const mixed = rows.map((_, t) =>
      Array.from({ length: H }, (_, head) => {
        const from = (head * D) / H;
        const part = (x: number[]) => x.slice(from, from + D / H);
        const dot = (a: number[], b: number[]) => a.reduce((sum, value, i) => sum + value * (b[i] as number), 0);
        const scores = k.map((key) => dot(part(q[t] as number[]), part(key)) / Math.sqrt(D / H));
        const most = Math.max(...scores);
        const powers = scores.map((score) => Math.exp(score - most));
        const total = powers.reduce((sum, value) => sum + value, 0);
        return part(v[0] as number[]).map((_, d) =>
          powers.reduce((sum, power, s) => sum + (power / total) * (part(v[s] as number[])[d] as number), 0),
        );
      }).flat(),
    );
    rows = rows.map((x, t) => {
      const attended = norm(name('attn_output_norm'), add(dense(name('attn_output'), mixed[t] as number[]), x));
      const fed = dense(name('ffn_down'), dense(name('ffn_up'), attended).map(gelu));
      return norm(name('layer_output_norm'), add(fed, attended));
    });
  }
  const classified = weights.has('cls.output.weight')
    ? dense('cls.output', dense('cls', rows[0] as number[]).map(Math.tanh))[0]
    : undefined;
  return { rows, logit: classified };
}
