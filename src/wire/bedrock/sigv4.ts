// Signature Version 4: whether a request was signed by whoever holds a secret, and has not changed since. Pure; does not
// know where secrets are kept, nor the time. After https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html;
// messages are worded as the vendor's, because people search for them.
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { FreeholdError } from '../../lib/errors.ts';

/** A request as it arrived. */
export interface SignedRequest {
  method: string;
  /** Path and query as on the wire, nothing decoded: `/model/arn%3Aaws%3A…/converse?a=b`. */
  target: string;
  /** By name in lower case; several of one name are joined by commas. */
  headers: ReadonlyMap<string, string>;
}

/** What a request says of its signature, in its Authorization header or, presigned, in its query. */
export interface Signature {
  accessKeyId: string;
  /** yyyymmdd. */
  scopeDate: string;
  region: string;
  /** Names in lower case, as they were listed. */
  signedHeaders: readonly string[];
  /** yyyymmddThhmmssZ. */
  date: string;
  /** Of a presigned request: how long it may be used. Others may be for as long as clocks may differ. */
  expiresSeconds: number | undefined;
  /** 64 hexadecimal digits. */
  signature: string;
}

const algorithm = 'AWS4-HMAC-SHA256';
const service = 'bedrock';
/** How far the caller's clock may be off, in milliseconds; the vendor's is the same. */
const skewMs = 5 * 60_000;
const mostExpiresSeconds = 7 * 24 * 3600;

/** Whether a request wants to be known by a signature, however bad. */
export function isSigned({ target, headers }: SignedRequest): boolean {
  return (headers.get('authorization') ?? '').startsWith(algorithm) || /[?&]X-Amz-Algorithm=/i.test(target);
}

/**
 * Reads what a request says of its signature.
 * @throws FreeholdError signature_invalid where something is missing, malformed or for another service
 */
export function readSignature(request: SignedRequest): Signature {
  const header = request.headers.get('authorization');
  const presigned = header?.startsWith(algorithm) !== true;
  const given = presigned ? queryFields(request) : headerFields(header, request);
  const from = presigned ? 'AWS query-string parameters' : 'Authorization header';
  const field = (name: string) => {
    const value = given.get(name);
    if (value === undefined || value === '') throw invalid(`${from}: '${name}' is missing.`);
    return value;
  };
  const signedHeaders = field('SignedHeaders').split(';');
  const signature = field('Signature');
  const date = field('X-Amz-Date');
  const { accessKeyId, scopeDate, region } = readCredential(field('Credential'));
  if (Number.isNaN(timeOf(date))) throw invalid("The date must be in ISO-8601 'basic format', as in 20260102T030405Z.");
  if (date.slice(0, 8) !== scopeDate) {
    throw invalid('Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP.');
  }
  if (!/^[0-9a-f]{64}$/.test(signature)) throw mismatch();
  requireSignedHeaders(request, signedHeaders, presigned);
  const expiresSeconds = presigned ? readExpires(field('X-Amz-Expires')) : undefined;
  return { accessKeyId, scopeDate, region, signedHeaders, date, expiresSeconds, signature };
}

/** The parts of an Authorization header, and the date from its own. */
function headerFields(header: string, { headers }: SignedRequest): Map<string, string> {
  const fields = new Map<string, string>();
  for (const part of header.slice(algorithm.length).split(',')) {
    const [name = '', ...value] = part.trim().split('=');
    fields.set(name, value.join('='));
  }
  return fields.set('X-Amz-Date', headers.get('x-amz-date') ?? '');
}

function queryFields({ target }: SignedRequest): Map<string, string> {
  const query = new Map(queryPairs(target));
  if (query.get('X-Amz-Algorithm') !== algorithm) throw invalid(`X-Amz-Algorithm must be ${algorithm}.`);
  const fields = ['Credential', 'SignedHeaders', 'Signature'].map(
    (name) => [name, query.get(`X-Amz-${name}`) ?? ''] as const,
  );
  return new Map([...query, ...fields]);
}

function readCredential(credential: string) {
  const [accessKeyId = '', scopeDate = '', region = '', scopeService, term, more] = credential.split('/');
  if (accessKeyId === '' || region === '' || term !== 'aws4_request' || more !== undefined) {
    throw invalid('Credential must have exactly 5 slash-delimited elements, keyid/date/region/service/aws4_request.');
  }
  if (scopeService !== service) throw invalid(`Credential should be scoped to correct service: '${service}'.`);
  return { accessKeyId, scopeDate, region };
}

function readExpires(given: string): number {
  const seconds = /^\d{1,6}$/.test(given) ? Number(given) : 0;
  if (seconds >= 1 && seconds <= mostExpiresSeconds) return seconds;
  throw invalid(`X-Amz-Expires must be a whole number from 1 to ${mostExpiresSeconds}.`);
}

/** What steers a request is worth a signature only if all of it is signed. */
function requireSignedHeaders({ headers }: SignedRequest, names: readonly string[], presigned: boolean): void {
  if (!names.includes('host') && !names.includes(':authority')) {
    throw invalid("'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.");
  }
  if (!presigned && !names.includes('x-amz-date')) {
    throw invalid("'X-Amz-Date' must be a 'SignedHeader' in the AWS Authorization.");
  }
  for (const name of headers.keys()) {
    if (name.startsWith('x-amz-') && !names.includes(name)) {
      throw invalid(`'${name}' must be a 'SignedHeader' in the AWS Authorization.`);
    }
  }
}

/**
 * Checks that a request was signed just now, or may still be used.
 * @param nowMs milliseconds since 1970
 * @throws FreeholdError signature_invalid, with both times
 */
export function requireCurrent({ date, expiresSeconds }: Signature, nowMs: number): void {
  const signedMs = timeOf(date);
  const [now, latest] = [dateOf(nowMs), dateOf(nowMs + skewMs)];
  if (signedMs > nowMs + skewMs) {
    throw invalid(`Signature not yet current: ${date} is still later than ${latest} (${now} + 5 min.)`);
  }
  if (expiresSeconds !== undefined) {
    const endsMs = signedMs + expiresSeconds * 1000;
    if (nowMs > endsMs)
      throw invalid(`Signature expired: the request could be used until ${dateOf(endsMs)}; it is ${now}.`);
  } else if (signedMs < nowMs - skewMs) {
    throw invalid(`Signature expired: ${date} is now earlier than ${dateOf(nowMs - skewMs)} (${now} - 5 min.)`);
  }
}

/**
 * Checks that whoever signed holds the secret, and that nothing that was signed has changed: method, path, query, the
 * signed headers, date, scope and body.
 * @param secret the secret access key of `signature.accessKeyId`
 * @param body all of it, as it arrived
 * @throws FreeholdError signature_invalid
 */
export function verifySignature(request: SignedRequest, signature: Signature, secret: string, body: Uint8Array): void {
  const bodyHash = sha256(body);
  const claimed = claimedBodyHash(request);
  if (claimed !== undefined && claimed !== bodyHash) {
    throw invalid(
      claimed === 'UNSIGNED-PAYLOAD' || claimed.startsWith('STREAMING-')
        ? `The body must be signed: 'x-amz-content-sha256' is ${claimed}.`
        : "The provided 'x-amz-content-sha256' header does not match what was computed.",
    );
  }
  const { date, scopeDate, region } = signature;
  const text = [
    algorithm,
    date,
    `${scopeDate}/${region}/${service}/aws4_request`,
    sha256(canonicalRequest(request, signature, bodyHash)),
  ];
  const key = [scopeDate, region, service, 'aws4_request'].reduce<string | Buffer>(hmac, `AWS4${secret}`);
  const expected = hmac(key, text.join('\n'));
  if (!timingSafeEqual(expected, Buffer.from(signature.signature, 'hex'))) throw mismatch();
}

/** The request in the one form that both sides sign. */
function canonicalRequest(
  { method, target, headers }: SignedRequest,
  { signedHeaders }: Signature,
  bodyHash: string,
): string {
  const value = (name: string) => {
    // over HTTP/2 the host is the authority, whichever of the two names was signed
    const found = headers.get(name) ?? (name === ':authority' ? headers.get('host') : undefined);
    if (found === undefined) throw mismatch();
    return found.replace(/[ \t]+/g, ' ').trim();
  };
  return [
    method,
    canonicalPath(target),
    canonicalQuery(target),
    ...signedHeaders.map((name) => `${name}:${value(name)}`),
    '',
    signedHeaders.join(';'),
    bodyHash,
  ].join('\n');
}

/** The path as on the wire, its empty and dotted parts resolved, and encoded once more: `%3A` becomes `%253A`. */
function canonicalPath(target: string): string {
  const path = target.split('?', 1)[0] ?? '';
  const kept: string[] = [];
  for (const part of path.split('/')) {
    if (part === '..') kept.pop();
    else if (part !== '' && part !== '.') kept.push(part);
  }
  const end = kept.length > 0 && path.endsWith('/') ? '/' : '';
  return `/${kept.map(encode).join('/')}${end}`;
}

function canonicalQuery(target: string): string {
  return queryPairs(target)
    .filter(([name]) => name !== 'X-Amz-Signature')
    .map(([name, value]) => [encode(name), encode(value)] as const)
    .sort(([a, x], [b, y]) => compare(a, b) || compare(x, y))
    .map(([name, value]) => `${name}=${value}`)
    .join('&');
}

const compare = (a: string, b: string) => (a < b ? -1 : Number(a > b));

/** Names and values of a query, decoded. @throws FreeholdError signature_invalid for what cannot be */
function queryPairs(target: string): [string, string][] {
  const start = target.indexOf('?');
  if (start < 0) return [];
  const parts = target
    .slice(start + 1)
    .split('&')
    .filter((part) => part !== '');
  try {
    return parts.map((part) => {
      const [name = '', ...value] = part.split('=');
      return [decodeURIComponent(name), decodeURIComponent(value.join('='))];
    });
  } catch {
    throw invalid('The query is not properly encoded.');
  }
}

/** Everything but A-Z a-z 0-9 - . _ ~ in percent encoding. */
function encode(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (letter) => `%${letter.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

/** The body's hash as the caller has it, from a header or, where it was moved there, from the query. */
function claimedBodyHash({ headers, target }: SignedRequest): string | undefined {
  const name = 'x-amz-content-sha256';
  return headers.get(name) ?? queryPairs(target).find(([key]) => key.toLowerCase() === name)?.[1];
}

const hmac = (key: string | Buffer, text: string) => createHmac('sha256', key).update(text).digest();
const sha256 = (data: string | Uint8Array) => createHash('sha256').update(data).digest('hex');

/** Milliseconds since 1970 of yyyymmddThhmmssZ; NaN for anything else. */
function timeOf(date: string): number {
  const [, ...parts] = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(date) ?? [];
  const [year, month, day, hour, minute, second] = parts;
  return parts.length === 0 ? Number.NaN : Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
}

const dateOf = (ms: number) => new Date(ms).toISOString().replace(/[-:]|\.\d+/g, '');

function invalid(message: string): FreeholdError {
  return new FreeholdError('signature_invalid', message);
}

function mismatch(): FreeholdError {
  return new FreeholdError(
    'signature_invalid',
    'The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method.',
    { hint: 'Host, path and body must arrive as they were signed: a proxy must not change them.' },
  );
}
