// Names of quantisations: how GGUF file names spell them, how `general.file_type` numbers them, which one to take when
// nobody said. Knows strings only.

/** `general.file_type` of GGUF (llama.cpp's `llama_ftype`) -> name. */
const fileTypes: Readonly<Record<number, string>> = {
  0: 'F32',
  1: 'F16',
  2: 'Q4_0',
  3: 'Q4_1',
  7: 'Q8_0',
  8: 'Q5_0',
  9: 'Q5_1',
  10: 'Q2_K',
  11: 'Q3_K_S',
  12: 'Q3_K_M',
  13: 'Q3_K_L',
  14: 'Q4_K_S',
  15: 'Q4_K_M',
  16: 'Q5_K_S',
  17: 'Q5_K_M',
  18: 'Q6_K',
  19: 'IQ2_XXS',
  20: 'IQ2_XS',
  21: 'Q2_K_S',
  22: 'IQ3_XS',
  23: 'IQ3_XXS',
  24: 'IQ1_S',
  25: 'IQ4_NL',
  26: 'IQ3_S',
  27: 'IQ3_M',
  28: 'IQ2_S',
  29: 'IQ2_M',
  30: 'IQ4_XS',
  31: 'IQ1_M',
  32: 'BF16',
  36: 'TQ1_0',
  37: 'TQ2_0',
  38: 'MXFP4',
};

/** Name of a `general.file_type` number; undefined for numbers this release does not know. */
export function quantisationOfFileType(fileType: number): string | undefined {
  return fileTypes[fileType];
}

const pattern =
  /(?:^|[-._])((?:UD-)?(?:IQ[1-4]_(?:XXS|XS|NL|S|M|XL)|Q[2-8]_K_(?:XL|XS|S|M|L)|Q[2-8]_K|Q[1-8]_[01]|TQ[12]_0|MXFP4(?:_MOE)?|NVFP4|BF16|FP16|F16|FP32|F32))$/i;

/**
 * Splits a GGUF file name into model and quantisation: `Qwen3-4B-Q4_K_M.gguf` -> `Qwen3-4B`, `Q4_K_M`.
 * Folder, `.gguf` and a `-00001-of-00003` ending are left out; `FP16` is spelled `F16`.
 */
export function splitFileName(file: string): { stem: string; quantisation?: string } {
  const base = (file.split(/[\\/]/).pop() ?? file).replace(/\.gguf$/i, '').replace(/-\d{5}-of-\d{5}$/, '');
  const found = pattern.exec(base);
  if (!found?.[1] || found.index === 0) return { stem: base };
  return { stem: base.slice(0, found.index), quantisation: normaliseQuantisation(found[1]) };
}

/** `q4_k_m` -> `Q4_K_M`, `fp16` -> `F16`. */
export function normaliseQuantisation(name: string): string {
  return name.toUpperCase().replace(/^FP(16|32)$/, 'F$1');
}

/** Best first: the smallest loss for the size, then sizes around it. */
const preferred = [
  'Q4_K_M',
  'UD-Q4_K_XL',
  'UD-Q4_K_M',
  'Q4_K_S',
  'MXFP4',
  'MXFP4_MOE',
  'Q5_K_M',
  'IQ4_XS',
  'Q4_0',
  'Q4_1',
  'Q8_0',
  'Q6_K',
  'F16',
  'BF16',
  'F32',
];

/** The index of a quantisation in the order of preference; unknown ones come last. */
export function preferenceOf(quantisation: string | undefined): number {
  const at = quantisation ? preferred.indexOf(quantisation) : -1;
  return at === -1 ? preferred.length : at;
}
