// The string formats of JSON Schema that can be enforced, as patterns. Each is a part of what its RFC allows, chosen so
// that validators agree on it: dates exist, times carry a zone, host names and addresses have their usual form.

const day31 = '(?:0[13578]|1[02])-(?:0[1-9]|[12]\\d|3[01])';
const day30 = '(?:0[469]|11)-(?:0[1-9]|[12]\\d|30)';
const day28 = '02-(?:0[1-9]|1\\d|2[0-8])';
const leapYear = '(?:\\d\\d(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)';
const date = `(?:\\d{4}-(?:${day31}|${day30}|${day28})|${leapYear}-02-29)`;
const time = '(?:[01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(?:\\.\\d{1,9})?(?:Z|[+-](?:[01]\\d|2[0-3]):[0-5]\\d)';

const label = (length: number) => `[A-Za-z0-9](?:[A-Za-z0-9-]{0,${length - 2}}[A-Za-z0-9])?`;
/** At most 253 characters: few long labels, or more of the usual length. */
const hostname = `(?:${label(63)}(?:\\.${label(63)}){0,2}|${label(35)}(?:\\.${label(35)}){3,6})`;
const mailbox = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+";
const mailLabel = '[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?';
const email = `${mailbox}(?:\\.${mailbox})*@(?:${mailLabel}\\.)+${mailLabel}`;

const byte = '(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)';
const ipv4 = `${byte}(?:\\.${byte}){3}`;
const word = '[0-9A-Fa-f]{1,4}';
const words = (most: number) => (most === 0 ? '' : `(?:${word}(?::${word}){0,${most - 1}})?`);
/** Eight words, or `::` for one or more that are zero. */
const ipv6 = `(?:${word}(?::${word}){7}|${Array.from({ length: 8 }, (_, left) => `${leftWords(left)}::${words(7 - left)}`).join('|')})`;

function leftWords(count: number): string {
  return count === 0 ? '' : `${word}(?::${word}){${count - 1}}`;
}

const escaped = '%[0-9A-Fa-f]{2}';
const pathChar = `(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|${escaped})`;
const authority = `(?:(?:[A-Za-z0-9._~!$&'()*+,;=:-]|${escaped})*@)?(?:[A-Za-z0-9._~!$&'()*+,;=-]|${escaped})*(?::\\d{1,5})?`;
const uriPath = `(?://${authority}(?:/${pathChar}*)*|/?${pathChar}+(?:/${pathChar}*)*)`;
const uri = `[A-Za-z][A-Za-z0-9+.-]*:${uriPath}(?:\\?(?:${pathChar}|[/?])*)?(?:#(?:${pathChar}|[/?])*)?`;

const hex = (length: number) => `[0-9A-Fa-f]{${length}}`;

/** A pattern for each format, anchored; undefined for formats that say nothing about a string's characters. */
export const stringFormats: Readonly<Record<string, string | undefined>> = {
  date: `^${date}$`,
  time: `^${time}$`,
  'date-time': `^${date}T${time}$`,
  duration: '^P(?:\\d+W|(?=.)(?:\\d+Y)?(?:\\d+M)?(?:\\d+D)?(?:T(?=\\d)(?:\\d+H)?(?:\\d+M)?(?:\\d+S)?)?)$',
  email: `^${email}$`,
  hostname: `^${hostname}$`,
  ipv4: `^${ipv4}$`,
  ipv6: `^${ipv6}$`,
  uri: `^${uri}$`,
  uuid: `^${hex(8)}-${hex(4)}-${hex(4)}-${hex(4)}-${hex(12)}$`,
  byte: '^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$',
  password: undefined,
  binary: undefined,
};

/** Names that zod writes beside a pattern: the pattern is all they say. */
export const patternNames: ReadonlySet<string> = new Set([
  ...['starts_with', 'ends_with', 'includes', 'lowercase', 'uppercase', 'hex', 'base64', 'base64url', 'e164', 'emoji'],
  ...['nanoid', 'cuid', 'cuid2', 'ulid', 'xid', 'ksuid', 'cidrv4', 'cidrv6'],
]);

/** Formats of numbers (OpenAPI) and the integers they hold; undefined for any number. */
export const numberFormats: Readonly<Record<string, readonly [min: bigint, max: bigint] | undefined>> = {
  int8: [-(2n ** 7n), 2n ** 7n - 1n],
  int16: [-(2n ** 15n), 2n ** 15n - 1n],
  int32: [-(2n ** 31n), 2n ** 31n - 1n],
  int64: [-(2n ** 63n), 2n ** 63n - 1n],
  uint8: [0n, 2n ** 8n - 1n],
  uint16: [0n, 2n ** 16n - 1n],
  uint32: [0n, 2n ** 32n - 1n],
  uint64: [0n, 2n ** 64n - 1n],
  float: undefined,
  double: undefined,
};
