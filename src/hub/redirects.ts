// Where a redirect may lead. What a person names may lie anywhere; what a server answers with may not make this machine
// fetch from itself or from its neighbours, nor go from https back to plain http.
// Looks the host's name up before the connection does, so a name server that answers differently each time could still
// deceive it; what is fetched is then still only kept when it is a GGUF.
import { lookup } from 'node:dns/promises';
import net from 'node:net';
import { FreeholdError } from '../lib/errors.ts';
import { isLoopback } from '../lib/loopback.ts';

const inner = new net.BlockList();
for (const [address, bits] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['224.0.0.0', 3],
] as const) {
  inner.addSubnet(address, bits, 'ipv4');
}
for (const [address, bits] of [
  ['::', 127],
  ['fc00::', 7],
  ['fe80::', 10],
  ['ff00::', 8],
] as const) {
  inner.addSubnet(address, bits, 'ipv6');
}

/** Whether an address is this machine's, of a network that is not public, or of no machine at all. */
export function isInnerAddress(address: string): boolean {
  const family = net.isIP(address);
  return family !== 0 && inner.check(address, family === 6 ? 'ipv6' : 'ipv4');
}

/** Addresses of a host, as the operating system finds them. */
export type Resolve = (host: string) => Promise<string[]>;

const resolveHost: Resolve = async (host) => (await lookup(host, { all: true })).map(({ address }) => address);

/** Whether any address of that host is one that the outside cannot reach. */
async function isInner(url: URL, resolve: Resolve): Promise<boolean> {
  const host = url.hostname.replace(/^\[|\]$/g, '');
  if (isLoopback(host)) return true;
  return (net.isIP(host) !== 0 ? [host] : await resolve(host)).some(isInnerAddress);
}

/** Whether an answer sends elsewhere. */
export function isRedirect({ status, headers }: Response): boolean {
  return [301, 302, 303, 307, 308].includes(status) && headers.has('location');
}

/**
 * The address that a redirect leads to.
 * @param first the address that was asked for to begin with
 * @param from the one that answered with the redirect
 * @param location what it answered
 * @throws FreeholdError download_failed where no redirect may lead; what `resolve` throws
 */
export async function redirectTarget(
  first: URL,
  from: URL,
  location: string,
  resolve: Resolve = resolveHost,
): Promise<URL> {
  let to: URL;
  try {
    to = new URL(location, from);
  } catch {
    throw refuse(from, 'an address that is not valid');
  }
  if (to.protocol !== 'https:' && to.protocol !== 'http:') throw refuse(from, `a ${to.protocol} address`);
  if (to.username || to.password) throw refuse(from, 'an address with a password');
  if (to.host === first.host && to.protocol === first.protocol) return to;
  if (to.protocol === 'http:' && from.protocol === 'https:') throw refuse(from, `plain http on ${to.host}`);
  if ((await isInner(to, resolve)) && !(await isInner(first, resolve))) {
    throw refuse(from, `${to.host}, which is this machine or one of its own network`);
  }
  return to;
}

function refuse(from: URL, where: string): FreeholdError {
  return new FreeholdError('download_failed', `${from.host} redirects to ${where}; that is not followed.`, {
    hint: 'Check the address. If you trust where it leads, give that address itself.',
  });
}
