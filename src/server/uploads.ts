// Takes the file out of an uploaded form: to the disk as it comes in, never whole in memory, and no further than the limit
// of one file and what its owner may keep. Knows no protocol.
import { boundaryOf, createMultipartReader, type MultipartEvent, type PartHeaders } from '../formats/multipart.ts';
import { FreeholdError } from '../lib/errors.ts';
import { formatBytes } from '../lib/units.ts';
import { beginUpload, type FileQuota, fileUsage, requireQuota, type Upload } from '../store/files.ts';
import { requireUncompressed } from './body.ts';
import type { AppContext, Services } from './context.ts';

/** Of fields that are no files, and of parts altogether. */
const mostFieldBytes = 64 << 10;
const mostParts = 32;
/** Forms that are read at once, by everyone together and by one key: each holds a file open. */
const mostAtOnce = 128;
const mostAtOnceOfOne = 16;
/** How long what follows of a form that is refused is read and dropped, in milliseconds. */
const readOnMs = 300;

export interface ReceivedForm {
  upload: Upload;
  /** The file's part. */
  part: PartHeaders;
  /** The other fields; of several of one name the last. */
  fields: Record<string, string>;
}

export interface Uploads {
  /**
   * Reads the form of a request, and hands it on; what was written is removed when `work` throws.
   * @throws FreeholdError invalid_request, payload_too_large, quota_exceeded, overloaded, cancelled, disk_full, file_io
   */
  receive<T>(c: AppContext, work: (form: ReceivedForm) => Promise<T>): Promise<T>;
}

export function createUploads(services: Services): Uploads {
  const { fileLimitBytes, filesPerKey, fileBytesPerKey } = services.config;
  const quota: FileQuota = { files: filesPerKey, bytes: fileBytesPerKey };
  /** What forms being read will add, by owner. */
  const underWay = new Map<string, FileQuota>();
  let atOnce = 0;

  /** The room of one form: reserved as it grows, given back when it has become a file or nothing. */
  async function reserve(owner: string) {
    const mine: FileQuota = { files: 1, bytes: 0 };
    const others = underWay.get(owner) ?? { files: 0, bytes: 0 };
    underWay.set(owner, others);
    others.files += 1;
    atOnce += 1;
    const end = () => {
      atOnce -= 1;
      others.files -= mine.files;
      others.bytes -= mine.bytes;
      if (others.files === 0) underWay.delete(owner);
    };
    try {
      if (atOnce > mostAtOnce || others.files > mostAtOnceOfOne) {
        throw new FreeholdError('overloaded', 'As many files as there is room for are being uploaded.', {
          hint: 'Wait a moment and send it again.',
          retryAfterMs: 1000,
        });
      }
      const kept = await fileUsage(services.store, owner);
      const check = (extraBytes: number) =>
        requireQuota({ files: kept.files + others.files, bytes: kept.bytes + others.bytes + extraBytes }, quota);
      check(0);
      return {
        check,
        grow(bytes: number) {
          mine.bytes += bytes;
          others.bytes += bytes;
          check(0);
        },
        end,
      };
    } catch (error) {
      end();
      throw error;
    }
  }

  return {
    async receive(c, work) {
      requireUncompressed(c);
      const reader = createMultipartReader(boundaryOf(c.req.header('content-type')));
      const room = await reserve(c.var.principal.tenant);
      let upload: Upload | undefined;
      try {
        const announced = Number(c.req.header('content-length') ?? 0);
        // the form around the file is small: what is announced beyond both cannot become one
        const formBytes = mostParts * mostFieldBytes;
        if (announced > fileLimitBytes + formBytes) throw tooLarge(fileLimitBytes);
        room.check(Math.max(0, announced - formBytes));
        const form = createForm(fileLimitBytes, (bytes) => room.grow(bytes));
        for await (const chunk of bodyOf(c)) {
          form.count(chunk.byteLength);
          for (const event of reader.feed(chunk)) {
            if (form.opensFile(event)) {
              upload = await beginUpload(services.store);
              form.file = upload;
            }
            await form.take(event);
          }
        }
        reader.end();
        return await work(form.finish());
      } catch (error) {
        await upload?.abandon();
        throw error;
      } finally {
        room.end();
      }
    },
  };
}

const tooLarge = (limitBytes: number) =>
  new FreeholdError('payload_too_large', `The file is larger than ${formatBytes(limitBytes)} (${limitBytes} bytes).`, {
    hint: 'Upload less, or raise fileLimitBytes (FREEHOLD_FILE_LIMIT_BYTES) where the server runs.',
  });

/** Gathers the parts of one form. */
function createForm(limitBytes: number, grow: (bytes: number) => void) {
  const fields: Record<string, string> = Object.create(null);
  let part: PartHeaders | undefined;
  let filePart: PartHeaders | undefined;
  let parts = 0;
  let aroundBytes = 0;
  let value: Buffer[] = [];
  let valueBytes = 0;
  const invalid = (message: string, field?: string) =>
    new FreeholdError('invalid_request', message, field === undefined ? {} : { field });
  const form = {
    file: undefined as Upload | undefined,
    /** Bytes of the body, so that a form around a small file is not endless either. */
    count(bytes: number) {
      aroundBytes += bytes;
      if (aroundBytes - (form.file?.sizeBytes ?? 0) > mostParts * mostFieldBytes + limitBytes)
        throw tooLarge(limitBytes);
    },
    /** Whether the file of the form begins here. @throws FreeholdError invalid_request for a second one */
    opensFile(event: MultipartEvent): boolean {
      if (event.type !== 'part' || event.part.name !== 'file') return false;
      if (event.part.filename === undefined) throw invalid('file: It must be a file, with a name.', 'file');
      if (filePart) throw invalid('file: Only one file can be uploaded at a time.', 'file');
      filePart = event.part;
      return true;
    },
    async take(event: MultipartEvent): Promise<void> {
      switch (event.type) {
        case 'part':
          parts += 1;
          if (parts > mostParts) throw invalid(`A form may have at most ${mostParts} parts.`);
          part = event.part;
          value = [];
          valueBytes = 0;
          return;
        case 'data':
          if (part === filePart && form.file) {
            if (form.file.sizeBytes + event.bytes.byteLength > limitBytes) throw tooLarge(limitBytes);
            grow(event.bytes.byteLength);
            return form.file.write(event.bytes);
          }
          valueBytes += event.bytes.byteLength;
          if (valueBytes > mostFieldBytes) throw invalid('A field of the form is too long.');
          value.push(Buffer.from(event.bytes));
          return;
        case 'part-end':
          // files by other names are nothing anybody asked for
          if (part && part !== filePart && part.filename === undefined) {
            fields[part.name] = Buffer.concat(value).toString('utf8');
          }
          return;
        default:
          return event satisfies never;
      }
    },
    finish(): ReceivedForm {
      if (!form.file || !filePart) throw invalid('file: Field required', 'file');
      return { upload: form.file, part: filePart, fields: { ...fields } };
    },
  };
  return form;
}

/**
 * The body as it comes in, no faster than it is taken. When it is left early the rest is read on for a moment: a
 * connection that is closed with bytes unread is reset, and the answer may be lost with it.
 * @throws FreeholdError cancelled when the connection closes before the end
 */
async function* bodyOf(c: AppContext): AsyncGenerator<Uint8Array> {
  const known = c.get('body');
  if (known) {
    yield known;
    return;
  }
  const incoming = c.env?.incoming;
  const source = incoming ? incoming.iterator({ destroyOnReturn: false }) : c.req.raw.body;
  if (!source) return;
  let complete = false;
  try {
    for await (const chunk of source as AsyncIterable<Uint8Array>) yield chunk;
    complete = true;
  } catch {
    complete = true;
    throw new FreeholdError('cancelled', 'The connection closed before the request was complete.');
  } finally {
    if (!complete) {
      c.header('connection', 'close');
      if (incoming && !incoming.readableEnded && !incoming.destroyed) {
        await new Promise<void>((resolve) => {
          const over = () => {
            clearTimeout(timer);
            incoming.off('end', over).off('close', over).pause();
            resolve();
          };
          const timer = setTimeout(over, readOnMs);
          incoming.on('end', over).on('close', over).resume();
        });
      }
    }
  }
}
