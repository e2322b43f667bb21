// Who is measured. node-llama-cpp is installed on first use, from bench/peers/package.json.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { type Contender, childContender } from './contender.ts';
import { oursThroughHttp } from './ours-http.ts';
import { llamaServer, ollama } from './peer-servers.ts';

const peersDir = path.join(import.meta.dirname, '../peers');

export const oursInProcess = childContender('ours', 'ours-process.ts');
/** The bound of all others that use libllama. */
const libllamaAlone: Contender = {
  ...childContender('libllama alone', 'libllama-alone.ts'),
  takes: ({ kind, promptTokens }) => kind === 'even' && promptTokens <= 64,
};
const nodeLlamaCpp = childContender('node-llama-cpp', 'peer-node-llama-cpp.ts');

/** @param install whether packages that are missing may be fetched */
export function contenders(install: boolean): Contender[] {
  return [oursInProcess, oursThroughHttp, libllamaAlone, installed(nodeLlamaCpp, install), llamaServer, ollama];
}

function installed(contender: Contender, install: boolean): Contender {
  const entry = path.join(peersDir, 'node_modules', contender.name, 'package.json');
  if (!existsSync(entry) && install) {
    process.stderr.write('installing the peers: npm --prefix bench/peers install\n');
    spawnSync('npm', ['--prefix', peersDir, 'install', '--no-save', '--omit=optional', '--no-audit', '--no-fund'], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
  }
  return existsSync(entry) ? contender : { ...contender, absent: 'not installed: npm --prefix bench/peers install' };
}
