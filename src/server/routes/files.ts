// `/v1/files`: upload, list, one file, its content, deletion, in the shape of the caller's protocol. Whatever was uploaded
// is only ever handed back as something to save: never as a page, a script or a style of this origin.
import { Readable } from 'node:stream';
import { FreeholdError } from '../../lib/errors.ts';
import {
  deleteFile,
  findFile,
  isFileId,
  keepFile,
  listFiles,
  openFile,
  removeExpired,
  type StoredFile,
} from '../../store/files.ts';
import {
  anthropicFile,
  anthropicFileDeleted,
  anthropicFileList,
  parseAnthropicFilesQuery,
  parseAnthropicUpload,
} from '../../wire/anthropic/stored-files.ts';
import {
  openaiFile,
  openaiFileDeleted,
  openaiFileList,
  parseOpenaiFilesQuery,
  parseUpload,
} from '../../wire/openai/stored-files.ts';
import { attachment, cleanFileName, cleanMediaType } from '../../wire/stored-files.ts';
import { protocolOf } from '../answer-error.ts';
import type { App, AppContext, Services } from '../context.ts';
import { createUploads } from '../uploads.ts';

const isAnthropic = (c: AppContext) => protocolOf(c) === 'anthropic';
const shown = (c: AppContext, file: StoredFile) => (isAnthropic(c) ? anthropicFile(file) : openaiFile(file)) as object;

export function addFileRoutes(app: App, services: Services): void {
  const { store, config } = services;
  const uploads = createUploads(services);

  app.post('/v1/files', (c) =>
    uploads.receive(c, async ({ upload, part, fields }) => {
      const { purpose, expiresAfterMs } = isAnthropic(c) ? parseAnthropicUpload(fields) : parseUpload(fields);
      await removeExpired(store);
      const file = await keepFile(
        store,
        upload,
        {
          owner: c.var.principal.tenant,
          name: cleanFileName(part.filename),
          mediaType: cleanMediaType(part.mediaType),
          purpose,
          expiresAt: expiresAfterMs === undefined ? undefined : Date.now() + expiresAfterMs,
        },
        { files: config.filesPerKey, bytes: config.fileBytesPerKey },
      );
      return c.json(shown(c, file));
    }),
  );

  app.get('/v1/files', async (c) => {
    const owner = c.var.principal.tenant;
    if (!isAnthropic(c)) {
      const { order, ...page } = parseOpenaiFilesQuery(c.req.query(), isFileId);
      const found = await listFiles(store, owner, {
        ...page,
        order: order === 'desc' ? 'newest first' : 'oldest first',
      });
      return c.json(openaiFileList(found.files, found.more) as object);
    }
    const page = parseAnthropicFilesQuery(c.req.queries(), isFileId);
    if (page.kind !== 'page') {
      const named = page.kind === 'ids' ? await Promise.all(page.ids.map((id) => findFile(store, owner, id))) : [];
      const there = named.filter((file) => file !== undefined);
      return c.json(anthropicFileList(there, false) as object);
    }
    const { limit, after, before } = page;
    if (before === undefined) {
      const found = await listFiles(store, owner, { order: 'newest first', limit, after });
      return c.json(anthropicFileList(found.files, found.more) as object);
    }
    // the page that ends right before an id, in the order of all others
    const found = await listFiles(store, owner, { order: 'oldest first', limit, after: before });
    return c.json(anthropicFileList(found.files.toReversed(), found.more) as object);
  });

  app.get('/v1/files/:id', async (c) => c.json(shown(c, await ownFile(c, services))));

  app.delete('/v1/files/:id', async (c) => {
    const id = c.req.param('id');
    if (!(await deleteFile(store, c.var.principal.tenant, id))) throw noSuchFile(id);
    return c.json((isAnthropic(c) ? anthropicFileDeleted(id) : openaiFileDeleted(id)) as object);
  });

  app.get('/v1/files/:id/content', async (c) => {
    const file = await ownFile(c, services);
    // what it is said to be is in its metadata; here it is bytes to save
    c.header('content-type', 'application/octet-stream');
    c.header('content-disposition', attachment(file.name));
    c.header('content-length', String(file.sizeBytes));
    c.header('cache-control', 'private, no-store');
    if (c.req.method === 'HEAD') return c.body(null);
    const handle = await openFile(store, file);
    const outgoing = c.env?.outgoing;
    const bytes = whileTaken(handle.createReadStream(), services.streams?.stallMs ?? 120_000, () =>
      outgoing?.destroy(),
    );
    return c.body(Readable.toWeb(Readable.from(bytes, { objectMode: false })) as ReadableStream<Uint8Array>);
  });
}

/** The pieces of a file for a reader that takes them: one that takes nothing for so long must not keep it open. */
async function* whileTaken(file: Readable, stallMs: number, onStall: () => void): AsyncGenerator<Uint8Array> {
  for await (const piece of file) {
    const timer = setTimeout(() => {
      file.destroy();
      onStall();
    }, stallMs).unref();
    try {
      yield piece as Uint8Array;
    } finally {
      clearTimeout(timer);
    }
  }
}

/** @throws FreeholdError not_found, the same for a file of another owner as for none */
async function ownFile(c: AppContext, { store }: Services): Promise<StoredFile> {
  const id = c.req.param('id') ?? '';
  const file = await findFile(store, c.var.principal.tenant, id);
  if (!file) throw noSuchFile(id);
  return file;
}

const noSuchFile = (id: string) =>
  new FreeholdError('not_found', `There is no file "${id.slice(0, 100)}".`, {
    hint: 'GET /v1/files lists those that are.',
  });
