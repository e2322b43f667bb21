import { expect, it } from 'vitest';
import { lanUrls } from './lan-addresses.ts';

const interfaces = {
  lo: [
    { address: '127.0.0.1', family: 'IPv4' as const, internal: true },
    { address: '::1', family: 'IPv6' as const, internal: true },
  ],
  eth0: [
    { address: '192.168.1.5', family: 'IPv4' as const, internal: false },
    { address: 'fe80::1', family: 'IPv6' as const, internal: false },
    { address: 'fd00::5', family: 'IPv6' as const, internal: false },
  ],
  gone: undefined,
};

it('names what others may reach where the server listens on every address', () => {
  expect(lanUrls('0.0.0.0', 8080, interfaces)).toEqual(['http://192.168.1.5:8080']);
  expect(lanUrls('::', 8080, interfaces)).toEqual(['http://192.168.1.5:8080', 'http://[fd00::5]:8080']);
  expect(lanUrls('[::]', 1, interfaces)).toHaveLength(2);
});

it('names nothing where it listens on one address', () => {
  for (const host of ['127.0.0.1', 'localhost', '192.168.1.5', '::1']) expect(lanUrls(host, 1, interfaces)).toEqual([]);
});
