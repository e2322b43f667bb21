// Follows a file of JSON lines that another process appends to: each look gives what is new. Knows no run.
import { open, stat } from 'node:fs/promises';

export interface JsonlTail {
  /**
   * The lines since the last look. A line that is half written waits; one that is no JSON (a process was killed inside
   * it) is left out.
   * @returns `again` when the file was replaced or cut, and what is given is all of it
   */
  read(): Promise<{ lines: unknown[]; again: boolean }>;
}

/** @param file need not exist yet */
export function tailJsonl(file: string): JsonlTail {
  let offset = 0;
  let inode = 0;
  let rest: Buffer<ArrayBufferLike> = Buffer.alloc(0);
  return {
    async read() {
      const now = await stat(file).catch(() => undefined);
      if (!now) return { lines: [], again: false };
      const again = now.size < offset || (inode !== 0 && now.ino !== inode);
      if (again) {
        offset = 0;
        rest = Buffer.alloc(0);
      }
      inode = now.ino;
      if (now.size === offset) return { lines: [], again };
      const fresh = await readFrom(file, offset, now.size - offset);
      offset += fresh.length;
      const whole = Buffer.concat([rest, fresh]);
      const end = whole.lastIndexOf(0x0a) + 1;
      rest = whole.subarray(end);
      const lines = whole
        .subarray(0, end)
        .toString('utf8')
        .split('\n')
        .flatMap((line) => parse(line));
      return { lines, again };
    },
  };
}

async function readFrom(file: string, offset: number, length: number): Promise<Buffer> {
  const handle = await open(file, 'r');
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, offset);
    return buffer.subarray(0, bytesRead);
  } finally {
    await handle.close();
  }
}

function parse(line: string): unknown[] {
  if (line.trim() === '') return [];
  try {
    return [JSON.parse(line)];
  } catch {
    return [];
  }
}
