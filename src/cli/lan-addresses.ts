// Where other machines reach a server that listens on every address of this one.
import { type NetworkInterfaceInfo, networkInterfaces } from 'node:os';

type Interfaces = NodeJS.Dict<Pick<NetworkInterfaceInfo, 'address' | 'family' | 'internal'>[]>;

/**
 * `http://192.168.1.5:8080` for each address of this machine that others may reach; empty unless `host` means all.
 * @param interfaces default: this machine's
 */
export function lanUrls(host: string, port: number, interfaces: Interfaces = networkInterfaces()): string[] {
  const bare = host.replace(/^\[|\]$/g, '');
  if (bare !== '0.0.0.0' && bare !== '::') return [];
  return Object.values(interfaces)
    .flatMap((each) => each ?? [])
    .filter(({ internal, family, address }) => {
      if (internal) return false;
      // a link-local address is of no use without the name of the other side's interface
      return family === 'IPv4' || (bare === '::' && !/^fe[89ab]/i.test(address));
    })
    .map(({ address }) => `http://${address.includes(':') ? `[${address}]` : address}:${port}`);
}
