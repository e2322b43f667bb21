// Reads the import lines of src/ and fails on an upward or circular import between rooms (docs/ARCHITECTURE.md, "Rooms").
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';

const src = path.join(import.meta.dirname, '../src');

/** Each room and the rooms it may import from, itself aside. */
const mayImport: Record<string, readonly string[]> = {
  lib: [],
  formats: ['lib'],
  tokenizer: ['lib', 'formats'],
  native: ['lib', 'formats', 'tokenizer'],
  tensor: ['lib', 'native', 'formats'],
  models: ['lib', 'tensor', 'formats'],
  hub: ['lib', 'formats'],
  store: ['lib'],
  wire: ['lib'],
  data: ['lib', 'formats', 'tokenizer'],
  infer: ['lib', 'formats', 'tokenizer', 'native'],
  media: ['lib', 'formats', 'native', 'tensor', 'models'],
  speech: ['lib', 'formats', 'native'],
  train: ['lib', 'formats', 'tokenizer', 'native', 'tensor', 'models', 'data', 'eval', 'store', 'hub'],
  eval: ['lib', 'formats', 'tokenizer', 'tensor', 'models'],
  reviews: ['lib', 'formats', 'infer', 'media', 'speech', 'store'],
  assistant: ['lib', 'formats', 'infer', 'media', 'speech', 'store'],
  server: ['*'],
  cli: ['*'],
};

/** Files of src/infer that run inside the model process and may therefore touch native code. */
const modelProcess = /^infer\/process\//;

/** The same for the process of a training run. The command line may do without one. */
const runProcess = /^(?:tensor\/ggml\/|train\/process|train\/export)/;

interface Import {
  from: string;
  to: string;
  /** `import type`: gone when the program runs. */
  typeOnly: boolean;
}

function sourceFiles(dir: string): string[] {
  return readdirSync(dir, { withFileTypes: true }).flatMap((entry) => {
    const full = path.join(dir, entry.name);
    return entry.isDirectory() ? sourceFiles(full) : entry.name.endsWith('.ts') ? [full] : [];
  });
}

const files = sourceFiles(src).map((file) => path.relative(src, file).replaceAll(path.sep, '/'));
const isTest = (file: string) => file.endsWith('.test.ts');
const room = (file: string) => file.split('/')[0] as string;

function importsOf(file: string): Import[] {
  const text = readFileSync(path.join(src, file), 'utf8');
  const found = text.matchAll(
    /(?:^|\n)\s*(?:import|export)\b[^'"`;]*?from\s*['"](\.[^'"]+)['"]|import\(\s*['"](\.[^'"]+)['"]\s*\)|import\s*['"](\.[^'"]+)['"]/g,
  );
  return [...found].map((match) => ({
    from: file,
    typeOnly: /^\s*(?:import|export)\s+type\b/.test(match[0]),
    to: path.posix.normalize(path.posix.join(path.posix.dirname(file), (match[1] ?? match[2] ?? match[3]) as string)),
  }));
}

const imports = files.filter((file) => !isTest(file)).flatMap(importsOf);

describe('rooms', () => {
  it('are all known', () => {
    expect([...new Set(files.map(room))].filter((name) => !(name in mayImport))).toEqual([]);
  });

  it('import only downwards', () => {
    const upward = imports.filter(({ from, to }) => {
      const allowed = mayImport[room(from)] ?? [];
      if (room(to) === 'cli' && room(from) !== 'cli') return true;
      return room(from) !== room(to) && !allowed.includes('*') && !allowed.includes(room(to));
    });
    expect(upward).toEqual([]);
  });

  it('keep native code out of the server process: nothing it imports leads to koffi', () => {
    const native = new Set(files.filter((file) => /from 'koffi'/.test(readFileSync(path.join(src, file), 'utf8'))));
    for (let before = -1; before !== native.size; ) {
      before = native.size;
      for (const { from, to, typeOnly } of imports) if (!typeOnly && native.has(to)) native.add(from);
    }
    expect(native.size).toBeGreaterThan(3);
    const inServer = [...native].filter(
      (file) => room(file) !== 'native' && room(file) !== 'cli' && !modelProcess.test(file) && !runProcess.test(file),
    );
    expect(inServer).toEqual([]);
    const entersProcess = imports.filter(({ from, to }) => modelProcess.test(to) && !modelProcess.test(from));
    expect(entersProcess).toEqual([]);
    const entersRun = imports.filter(
      ({ from, to, typeOnly }) => !typeOnly && runProcess.test(to) && !runProcess.test(from),
    );
    expect(entersRun.filter(({ from }) => room(from) !== 'cli')).toEqual([]);
  });

  it('keep pointers in native/: nobody else imports koffi, or what gives a pointer out', () => {
    const outside = files.filter((file) => room(file) !== 'native');
    const koffi = outside.filter((file) => /from 'koffi'/.test(readFileSync(path.join(src, file), 'utf8')));
    expect(koffi).toEqual([]);
    expect(imports.filter(({ from, to }) => to === 'native/handle.ts' && room(from) !== 'native')).toEqual([]);
    // the raw functions of a loaded library are for native/ alone
    const raw = outside.filter((file) => /\bnative\.(ggml|llama)\b/.test(readFileSync(path.join(src, file), 'utf8')));
    expect(raw).toEqual([]);
  });

  it('have no circular imports between files', () => {
    const edges = new Map<string, string[]>();
    for (const { from, to } of imports) edges.set(from, [...(edges.get(from) ?? []), to]);
    const state = new Map<string, 'open' | 'done'>();
    const cycles: string[] = [];
    const visit = (file: string, trail: string[]): void => {
      if (state.get(file) === 'done') return;
      if (state.get(file) === 'open') {
        cycles.push([...trail.slice(trail.indexOf(file)), file].join(' -> '));
        return;
      }
      state.set(file, 'open');
      for (const next of edges.get(file) ?? []) visit(next, [...trail, file]);
      state.set(file, 'done');
    };
    for (const file of files) visit(file, []);
    expect(cycles).toEqual([]);
  });

  it('resolve every relative import', () => {
    expect(imports.filter(({ to }) => !files.includes(to))).toEqual([]);
  });
});
