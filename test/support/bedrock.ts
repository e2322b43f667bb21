// The AWS SDK for Bedrock, unmodified, connected to a listening server: only endpoint and credentials are changed. It
// speaks HTTP/2.
import { afterAll, afterEach, beforeAll, beforeEach, vi } from 'vitest';
import type { StartParts } from '../../src/server/start.ts';
import { createAwsCredential } from '../../src/store/aws-credentials.ts';
import { openStore, type Store } from '../../src/store/open.ts';
import { client as load } from '../clients/load.ts';
import type { Generate } from './fake-model.ts';
import { startTestServer, type TestServer } from './server.ts';

// biome-ignore lint/suspicious/noExplicitAny: the SDK's types are not installed beside ours
export type Loose = any;
export interface Client {
  send(command: unknown, options?: { abortSignal?: AbortSignal }): Promise<Loose>;
  destroy(): void;
}
type Exports = Record<string, new (input: object) => Loose>;
export interface Credentials {
  id: string;
  accessKeyId: string;
  secretAccessKey: string;
}

export interface BedrockTest {
  readonly server: TestServer;
  readonly store: Store;
  /** Of a service, without limits. */
  readonly credentials: Credentials;
  /** Exports of client-bedrock-runtime and client-bedrock. */
  readonly sdk: Exports;
  readonly control: Exports;
  /** A client as the SDK's users make it. @param name of its class, default BedrockRuntimeClient */
  connect(settings?: object, name?: string): Client;
  /** A command by its name, without `Command`. */
  command(name: string, input: object): unknown;
  /** Sends a command with a client of its own. */
  send(name: string, input: object, settings?: { abortSignal?: AbortSignal }): Promise<Loose>;
}

/** Starts a server for the tests of a file, and ends it after them; what the model does is put back after each. */
export function useBedrock(parts: StartParts = {}): BedrockTest {
  let sdk: Exports;
  let control: Exports;
  let server: TestServer;
  let store: Store;
  let credentials: Credentials;
  let client: Client;
  const clients: Client[] = [];
  const connect = (settings: object = {}, name = 'BedrockRuntimeClient'): Client => {
    const Chosen = { ...sdk, ...control }[name] as new (input: object) => Client;
    const made = new Chosen({
      endpoint: server.url,
      region: 'us-east-1',
      credentials,
      maxAttempts: 1,
      ...settings,
    });
    clients.push(made);
    return made;
  };
  const command = (name: string, input: object): unknown => {
    const Command = (sdk[`${name}Command`] ?? control[`${name}Command`]) as new (input: object) => unknown;
    return new Command(input);
  };
  beforeAll(async () => {
    // of the SDK, about later releases of Node
    vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
    sdk = await load('@aws-sdk/client-bedrock-runtime');
    control = await load('@aws-sdk/client-bedrock');
    server = await startTestServer({}, parts);
    store = openStore(server.home);
    credentials = await createAwsCredential(store, { name: 'sdk', role: 'service' });
  });
  afterAll(async () => {
    for (const each of clients) each.destroy();
    await store.close();
    await server.stop();
    vi.restoreAllMocks();
  });
  beforeEach(() => {
    client = connect();
  });
  afterEach(() => {
    server.model.behaviour = undefined;
    vi.unstubAllEnvs();
  });
  return {
    get server() {
      return server;
    },
    get store() {
      return store;
    },
    get credentials() {
      return credentials;
    },
    get sdk() {
      return sdk;
    },
    get control() {
      return control;
    },
    connect,
    command,
    send: (name, input, settings = {}) => client.send(command(name, input), settings),
  };
}

/** A conversation of one message. */
export const messages = [{ role: 'user', content: [{ text: 'hello there' }] }];
export const ask = { modelId: 'default', messages };
/** Thinks, then answers. */
export const thinks: Generate = async function* () {
  yield { type: 'start', inputTokens: 3, cachedTokens: 1 };
  yield { type: 'thinking-delta', text: 'Let me ' };
  yield { type: 'thinking-delta', text: 'think.' };
  yield { type: 'text-delta', text: 'Done.' };
  yield { type: 'usage', inputTokens: 3, cachedTokens: 1, outputTokens: 4 };
  yield { type: 'stop', reason: 'end-turn' };
};
/** Says something, then calls two tools. */
export const callsTools: Generate = async function* () {
  yield { type: 'start', inputTokens: 3, cachedTokens: 0 };
  yield { type: 'text-delta', text: 'Looking.' };
  yield { type: 'tool-use-start', id: 'call_abc', name: 'weather' };
  yield { type: 'tool-use-delta', json: '{"city":' };
  yield { type: 'tool-use-delta', json: '"Bern"}' };
  yield { type: 'tool-use-stop' };
  yield { type: 'tool-use-start', id: 'call_def', name: 'time' };
  yield { type: 'tool-use-stop' };
  yield { type: 'usage', inputTokens: 3, cachedTokens: 0, outputTokens: 9 };
  yield { type: 'stop', reason: 'tool-use' };
};
/** All events of a stream. */
export async function collect<Item>(stream: AsyncIterable<Item>): Promise<Item[]> {
  const items: Item[] = [];
  for await (const item of stream) items.push(item);
  return items;
}
