// `freehold models`: the models on this machine, or with --catalogue those that can be pulled by name; each with
// whether it fits into this machine's memory. Knows how to show, not how to find.
import type { Command } from 'commander';
import type { AvailableMemory, CatalogueEntry, LocalModel, ModelKind } from '../../hub/types.ts';
import type { Config } from '../../lib/config.ts';
import { formatBytes, formatCount } from '../../lib/units.ts';
import { type CommonOptions, finish } from '../command.ts';
import { mark, type Output, type Style, table } from '../output.ts';
import { oneLine, wrapText } from '../text.ts';

export function addModels(program: Command): void {
  finish<CommonOptions & { catalogue?: boolean }>(
    program
      .command('models')
      .summary('list the models here, or the catalogue')
      .description(
        'Lists the models on this machine: those that Freehold pulled and those found in other programs’ folders.',
      )
      .option('--catalogue', 'List the open models that can be pulled by name.'),
    ['contextTokens', 'device'],
    async ({ options, output, config }) => {
      const { values } = await config();
      await (options.catalogue ? showCatalogue(values, output) : showLocal(values, output));
    },
  );
}

/** The models on this machine. */
async function showLocal(config: Config, output: Output): Promise<void> {
  const { surveyLocalModels } = await import('../../hub/models.ts');
  const { models, problems } = await surveyLocalModels(config);
  const memory = await memoryNow(config);
  const fits = await Promise.all(models.map((model) => localFit(model, config, memory)));
  output.data({ models: models.map((model, index) => ({ ...model, ...shown(fits[index]) })), problems });
  for (const { file, reason } of problems) {
    if (!output.json) output.note(output.errorStyle.dim(`Left out: ${oneLine(file)}: ${oneLine(reason)}`));
  }
  if (models.length === 0) {
    output.line('No models here yet.');
    output.prose(
      `\`freehold pull ${config.defaultModel}\` fetches the small default; \`freehold models --catalogue\` shows what else there is.`,
    );
    return;
  }
  for (const line of localTable(models, fits, output.style, output.columns)) output.line(line);
}

/** The open models that can be pulled by name. */
export async function showCatalogue(config: Config, output: Output): Promise<void> {
  const [{ catalogue, findInCatalogue }, { listLocalModels }] = await Promise.all([
    import('../../hub/catalogue.ts'),
    import('../../hub/models.ts'),
  ]);
  const here = new Set((await listLocalModels(config)).map((model) => findInCatalogue(model.name)?.name ?? model.name));
  const memory = await memoryNow(config);
  const fits = await Promise.all(catalogue.map((entry) => entryFit(entry, config, memory)));
  output.data({
    catalogue: catalogue.map((entry, index) => ({ ...entry, ...shown(fits[index]), here: here.has(entry.name) })),
  });
  for (const line of catalogueTables(catalogue, fits, here, output.style, output.columns)) output.line(line);
  const where = memory.device ? ` on ${oneLine(memory.device)}` : '';
  const needs = output.columns >= columnsForNeeds ? ' NEEDS: memory with one conversation.' : '';
  const note = `Pull one: freehold pull NAME.${needs} FITS: into the memory that is free now${where}. ~ is an estimate, ● is here already.`;
  output.line(output.style.dim(wrapText(note, output.columns)));
  output.line(output.style.dim(wrapText(comesLater, output.columns)));
}

/** What the catalogue lists and this release does not do. */
const comesLater =
  'Embedding and rerank models can be pulled; serving them comes with a later release. So do tools and reasoning, which the APIs do not offer yet.';

/** Whether a model fits into the memory free now, and what it needs. */
export interface Fit {
  fits: boolean;
  /** For one conversation, in bytes. */
  memoryBytes: number;
}

/** For --json; null where nobody can tell. */
const shown = (fit: Fit | undefined) => ({ fits: fit?.fits ?? null, memoryBytes: fit?.memoryBytes ?? null });

/** What models may take; looked up once for a whole list. */
async function memoryNow(config: Config): Promise<AvailableMemory> {
  const [{ modelMemory }, { availableMemory }] = await Promise.all([
    import('../device-memory.ts'),
    import('../../hub/memory.ts'),
  ]);
  return (await modelMemory(config)) ?? availableMemory();
}

/** @returns undefined when the file cannot be judged */
async function localFit(model: LocalModel, config: Config, memory: AvailableMemory): Promise<Fit | undefined> {
  try {
    const [{ readModelHeader }, { checkFit }, { contextFor }] = await Promise.all([
      import('../../hub/describe.ts'),
      import('../../hub/fit.ts'),
      import('../../hub/plan.ts'),
    ]);
    const shape = { contextTokens: contextFor(config, model.contextTokens), sequences: 1 };
    const { fits, estimate } = checkFit(await readModelHeader(model.file), { ...shape, memory });
    return { fits, memoryBytes: estimate.totalBytes };
  } catch {
    // a list is no place to fail for one file: loading it will say what is wrong
    return undefined;
  }
}

/** Of an entry's default variant. */
async function entryFit(entry: CatalogueEntry, config: Config, memory: AvailableMemory): Promise<Fit | undefined> {
  const [{ checkCatalogueFit }, { contextFor }] = await Promise.all([
    import('../../hub/fit.ts'),
    import('../../hub/plan.ts'),
  ]);
  const variant = entry.variants[0];
  if (!variant) return undefined;
  const shape = { contextTokens: contextFor(config, entry.contextTokens), sequences: 1 };
  const { fits, estimate } = checkCatalogueFit(entry, variant, { ...shape, memory });
  return { fits, memoryBytes: estimate.totalBytes };
}

/** Local models as a table. */
export function localTable(
  models: readonly LocalModel[],
  fits: readonly (Fit | undefined)[],
  style: Style,
  columns: number,
): string[] {
  return table(
    [
      { title: 'NAME', shrinks: true, paint: style.bold },
      { title: 'SIZE', align: 'right' },
      { title: 'QUANT' },
      { title: 'PARAMS', align: 'right' },
      { title: 'CONTEXT', align: 'right' },
      { title: 'FROM', paint: style.dim },
      { title: 'FITS' },
    ],
    models.map((model, index) => [
      model.name,
      formatBytes(model.sizeBytes),
      model.quantisation ?? '',
      model.parameters === undefined ? '' : formatCount(model.parameters),
      model.contextTokens === undefined ? '' : formatContext(model.contextTokens),
      model.origin,
      fitMark(fits[index]),
    ]),
    style,
    columns,
  );
}

const fitMark = (fit: Fit | undefined): string => (fit ? mark(fit.fits) : '?');

/** From this width on the catalogue shows what memory each model needs. */
const columnsForNeeds = 90;

const kindTitles: Record<ModelKind, string> = {
  chat: 'Chat',
  embedding: 'Embedding: text into vectors, for search',
  rerank: 'Rerank: passages by how well they answer',
};

/** The catalogue as one table for each kind of model, columns aligned across them. */
export function catalogueTables(
  entries: readonly CatalogueEntry[],
  fits: readonly (Fit | undefined)[],
  here: ReadonlySet<string>,
  style: Style,
  columns: number,
): string[] {
  // a narrow terminal has no room for all; `pull` names the licence again
  const needs = columns >= columnsForNeeds;
  const licences = columns >= 110;
  const [titles = '', ...rows] = table(
    [
      { title: '  NAME', paint: style.bold },
      { title: 'PARAMS', align: 'right' },
      { title: 'SIZE', align: 'right' },
      { title: 'CONTEXT', align: 'right' },
      ...(needs ? [{ title: 'NEEDS', align: 'right' } as const] : []),
      { title: 'FITS' },
      ...(licences ? [{ title: 'LICENCE', paint: style.dim }] : []),
      { title: 'GOOD FOR', shrinks: true },
    ],
    entries.map((entry, index) => [
      `${here.has(entry.name) ? '●' : ' '} ${entry.name}`,
      formatCount(entry.parameters),
      `${entry.variants[0]?.approximate ? '~' : ''}${formatBytes(entry.variants[0]?.sizeBytes ?? 0)}`,
      formatContext(entry.contextTokens),
      ...(needs ? [formatBytes(fits[index]?.memoryBytes ?? 0)] : []),
      fitMark(fits[index]),
      ...(licences ? [entry.licence] : []),
      entry.abilities.filter((ability) => ability !== entry.kind).join(', '),
    ]),
    style,
    columns,
  );
  return (Object.keys(kindTitles) as ModelKind[]).flatMap((kind, index) => {
    const lines = rows.filter((_, row) => entries[row]?.kind === kind);
    return lines.length === 0 ? [] : [style.accent(kindTitles[kind]), ...(index === 0 ? [titles] : []), ...lines, ''];
  });
}

/** `8 k`, `128 k`: context in units of 1024 tokens. */
export function formatContext(tokens: number): string {
  return tokens < 1024 ? String(tokens) : `${Math.round(tokens / 1024)} k`;
}
