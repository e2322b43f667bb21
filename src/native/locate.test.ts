import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { devicesSeen, locateLibraries, packageOf, trustLibraries, verifyLibraries } from './locate.ts';

const packaged = locateLibraries({ device: 'cpu' });
let dir: string;
let home: string;

beforeEach(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'freehold-libraries-'));
  home = mkdtempSync(path.join(tmpdir(), 'freehold-home-'));
  for (const file of readdirSync(packaged.dir).filter((name) =>
    /ggml-base|ggml\.v|libllama\.|cpu-x64|armv8\.0/.test(name),
  )) {
    copyFileSync(path.join(packaged.dir, file), path.join(dir, file));
  }
});

afterEach(() => {
  rmSync(dir, { recursive: true });
  rmSync(home, { recursive: true });
});

describe('locateLibraries', () => {
  it('finds the packaged libraries for the processor', () => {
    expect(packaged.kind).toBe('cpu');
    expect(path.basename(packaged.llama)).toMatch(/llama/);
  });

  it('takes the folder it is given before any package', () => {
    expect(locateLibraries({ libDir: dir })).toMatchObject({ kind: 'cpu', dir });
  });

  it('says what a folder without libraries must hold', () => {
    expect(() => locateLibraries({ libDir: home })).toThrow(
      expect.objectContaining({ code: 'native_library_missing', hint: expect.stringContaining('ggml-base') }),
    );
    expect(() => locateLibraries({ libDir: path.join(home, 'nowhere') })).toThrow(
      expect.objectContaining({ code: 'native_library_missing' }),
    );
  });

  it('says how to get the libraries of a device that has none installed', () => {
    expect(() => locateLibraries({ device: 'cuda', home })).toThrow(
      expect.objectContaining({ code: 'native_library_missing' }),
    );
  });

  it('refuses a device it does not know', () => {
    expect(() => locateLibraries({ device: 'abacus' })).toThrow(expect.objectContaining({ code: 'config_invalid' }));
  });

  it('falls back to the processor: it is always the last device seen', () => {
    expect(devicesSeen().at(-1)).toBe('cpu');
    expect(packageOf('cpu')).toContain(process.arch);
  });
});

describe('verifyLibraries', () => {
  it('accepts the packaged libraries', () => {
    expect(() => verifyLibraries(packaged.dir)).not.toThrow();
    expect(() => verifyLibraries(dir)).not.toThrow();
  });

  it('refuses a library of which one bit was changed', () => {
    const file = readdirSync(dir).find((name) => /llama/.test(name)) as string;
    const bytes = readFileSync(path.join(dir, file));
    bytes[bytes.length >> 1]! ^= 1;
    writeFileSync(path.join(dir, file), bytes);
    expect(() => verifyLibraries(dir)).toThrow(
      expect.objectContaining({ code: 'native_library_untrusted', message: expect.stringContaining(file) }),
    );
  });

  it('refuses a library it does not know, which ggml would load too', () => {
    writeFileSync(path.join(dir, 'libggml-evil.so'), 'no library');
    if (process.platform === 'linux') expect(() => verifyLibraries(dir)).toThrow(/libggml-evil/);
  });

  it('accepts a build the owner trusted, as it was then', () => {
    const file = path.join(dir, readdirSync(dir).find((name) => /llama/.test(name)) as string);
    writeFileSync(file, Buffer.concat([readFileSync(file), Buffer.from('own build')]));
    expect(() => verifyLibraries(dir, home)).toThrow(/changed/);
    expect(trustLibraries(dir, home)).toContain(path.basename(file));
    expect(() => verifyLibraries(dir, home)).not.toThrow();
    writeFileSync(file, Buffer.concat([readFileSync(file), Buffer.from('changed again')]));
    expect(() => verifyLibraries(dir, home)).toThrow(/changed/);
  });

  it('says when the list of trusted builds is damaged', () => {
    writeFileSync(path.join(home, 'trusted-libraries.json'), '{"a": 1}');
    expect(() => verifyLibraries(dir, home)).toThrow(expect.objectContaining({ code: 'config_invalid' }));
  });
});
