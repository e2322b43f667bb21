// What the doctor can tell without native code: versions, the home folder and its disk, the configuration file, models
// here, whether the port is free.
import { constants, existsSync } from 'node:fs';
import { access, statfs } from 'node:fs/promises';
import { createServer } from 'node:net';
import path from 'node:path';
import type { AvailableMemory, ModelProblem } from '../hub/types.ts';
import type { ResolvedConfig } from '../lib/config.ts';
import { formatBytes } from '../lib/units.ts';
import { freeholdVersion } from '../lib/version.ts';

export interface HostReport {
  freehold: string;
  node: string;
  platform: string;
  home: string;
  homeExists: boolean;
  /** Of the home folder, or of the nearest folder above it that is there. */
  homeWritable: boolean;
  /** Free for this user on the disk of the home folder. */
  diskFreeBytes: number;
  configFile: string;
  configFileFound: boolean;
  models: string[];
  /** Files that look like models and cannot be used. */
  modelProblems: ModelProblem[];
  /** What a model may take now, and all there is: the machine's, or its container's. */
  memory: AvailableMemory;
  defaultModel: string;
  defaultModelHere: boolean;
  host: string;
  port: number;
  /** False may also mean that Freehold itself is up. */
  portFree: boolean;
}

export async function inspectHost({ values, file }: ResolvedConfig): Promise<HostReport> {
  const [{ findUsableModel, surveyLocalModels }, { availableMemory }] = await Promise.all([
    import('../hub/models.ts'),
    import('../hub/memory.ts'),
  ]);
  const standing = nearestFolder(values.home);
  const [disk, homeWritable, survey, defaultModel, portFree] = await Promise.all([
    statfs(standing),
    access(standing, constants.W_OK).then(
      () => true,
      () => false,
    ),
    surveyLocalModels(values),
    findUsableModel(values.defaultModel, values),
    isPortFree(values.port, values.host),
  ]);
  return {
    freehold: freeholdVersion(),
    node: process.versions.node,
    platform: `${process.platform} ${process.arch}`,
    home: values.home,
    homeExists: existsSync(values.home),
    homeWritable,
    diskFreeBytes: disk.bavail * disk.bsize,
    configFile: file,
    configFileFound: existsSync(file),
    models: survey.models.map((model) => model.name),
    modelProblems: survey.problems,
    memory: availableMemory(),
    defaultModel: values.defaultModel,
    defaultModelHere: defaultModel !== undefined,
    host: values.host,
    port: values.port,
    portFree,
  };
}

/** The report as name and value. */
export function hostFields(host: HostReport): [string, string][] {
  const notes = [
    `${formatBytes(host.diskFreeBytes)} free`,
    ...(host.homeExists ? [] : ['made at the first start']),
    ...(host.homeWritable ? [] : ['NOT WRITABLE']),
  ];
  return [
    ['Node', `${host.node}, ${host.platform}`],
    ['Memory', `${formatBytes(host.memory.freeBytes)} free of ${formatBytes(host.memory.totalBytes)}`],
    ['Home', `${host.home} (${notes.join(', ')})`],
    [
      'Settings',
      host.configFileFound ? host.configFile : `no ${path.basename(host.configFile)}; flags, environment, defaults`,
    ],
    ['Models', host.models.length === 0 ? 'none' : `${host.models.length} here`],
    [
      'Default',
      `${host.defaultModel}${host.defaultModelHere ? '' : ` (not here: freehold pull ${host.defaultModel})`}`,
    ],
    [
      'Port',
      host.port === 0 ? 'any' : `${host.port} ${host.portFree ? 'is free' : 'is taken (by Freehold, if it is up)'}`,
    ],
  ];
}

function nearestFolder(folder: string): string {
  return existsSync(folder) || path.dirname(folder) === folder ? folder : nearestFolder(path.dirname(folder));
}

function isPortFree(port: number, host: string): Promise<boolean> {
  if (port === 0) return Promise.resolve(true);
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen(port, host, () => probe.close(() => resolve(true)));
  });
}
