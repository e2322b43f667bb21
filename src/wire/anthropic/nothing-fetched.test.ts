// Addresses in requests: whatever they are and wherever they stand, nothing here asks them for anything.
import { expect, it } from 'vitest';
import { parseMessages } from './request.ts';

const addresses = [
  'http://127.0.0.1:1/',
  'http://169.254.169.254/latest/meta-data/',
  'http://[::ffff:a9fe:a9fe]/',
  'http://2130706433/',
  'http://0x7f.1/',
  'http://localtest.me/',
  'https://user:secret@example.com/a.pdf',
  'file:///etc/passwd',
  'gopher://127.0.0.1:70/',
  'no address at all',
];

const url = (at: string) => ({ type: 'url', url: at });
const places: Record<string, (at: string) => object[]> = {
  image: (at) => [{ type: 'image', source: url(at) }],
  document: (at) => [{ type: 'document', source: url(at) }],
  'an image of a document': (at) => [
    { type: 'document', source: { type: 'content', content: [{ type: 'image', source: url(at) }] } },
  ],
};

it.each(addresses.flatMap((address) => Object.keys(places).map((place) => [address, place] as const)))(
  '%s in %s is refused',
  (address, place) => {
    const content = places[place]?.(address);
    const body = { model: 'm', max_tokens: 1, messages: [{ role: 'user', content }] };
    // a parser that returns at once cannot have waited for an answer
    expect(() => parseMessages(body, { tenant: 't', traceId: 'trace' })).toThrow(
      expect.objectContaining({ code: 'unsupported', status: 400 }),
    );
  },
);
