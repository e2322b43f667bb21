// What belongs to one caller does not exist for another: every route of the table with an id, with every form of auth, by
// every kind of caller, answers as for an id that never was. So do bodies and cursors that name such an id, and no list
// shows it. A route with an id must say whose it is, or be listed here as one that belongs to nobody.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newId, newOrderedId } from '../src/lib/ids.ts';
import { type ApiRoute, apiRoutes, writtenPath } from '../src/server/api-paths.ts';
import { sessionCookie } from '../src/server/auth.ts';
import { createAwsCredential } from '../src/store/aws-credentials.ts';
import { createKey, type Role } from '../src/store/keys.ts';
import { createSession } from '../src/store/sessions.ts';
import { client } from './clients/load.ts';
import { createTestApp, type TestApp } from './support/app.ts';
import { endless } from './support/fake-model.ts';
import { modelRoutes, requestTo } from './support/route-requests.ts';

/** Routes whose id is a name that everyone may know: of a model. */
const ofNobody = new Set(
  apiRoutes.map(writtenPath).filter((path) => /^\/(v1\/models|model|foundation-models)\/:/.test(path)),
);

interface Caller {
  name: string;
  /** Callers of one tenant share what they have. */
  tenant: string;
  headers(method: string, target: string, body: string | undefined): Promise<Record<string, string>>;
}

let test: TestApp;
let callers: Caller[];
beforeAll(async () => {
  test = await createTestApp();
  callers = await createCallers();
});
afterAll(() => test.stop());

async function createCallers(): Promise<Caller[]> {
  const { store } = test.services;
  const byKey = async (name: string, role: Role): Promise<Caller[]> => {
    const { id, key } = await createKey(store, { name, role });
    const made: Caller[] = [
      { name: `${name} by x-api-key`, tenant: id, headers: async () => ({ 'x-api-key': key }) },
      { name: `${name} by bearer`, tenant: id, headers: async () => ({ authorization: `Bearer ${key}` }) },
    ];
    if (role !== 'service') made.push(await bySession(name, role, id));
    return made;
  };
  const bySession = async (name: string, role: Role, keyId?: string): Promise<Caller> => {
    const token = await createSession(store, { name, role, ...(keyId === undefined ? {} : { keyId }) });
    const headers = { cookie: `${sessionCookie}=${token}` };
    return { name: `${name} by session`, tenant: keyId ?? 'owner', headers: async () => headers };
  };
  return [
    ...(await byKey('one member', 'member')),
    ...(await byKey('another member', 'member')),
    ...(await byKey('a service', 'service')),
    ...(await byKey('an admin', 'admin')),
    await bySession('the owner', 'admin'),
    await bySignature(),
  ];
}

async function bySignature(): Promise<Caller> {
  interface Signer {
    sign(request: object): Promise<{ headers: Record<string, string> }>;
  }
  const { SignatureV4 } = await client<{ SignatureV4: new (options: object) => Signer }>('@smithy/signature-v4');
  const { Sha256 } = await client<{ Sha256: unknown }>('@aws-crypto/sha256-js');
  const { id, ...credentials } = await createAwsCredential(test.services.store, { name: 'boto', role: 'admin' });
  const signer = new SignatureV4({ region: 'us-east-1', service: 'bedrock', sha256: Sha256, credentials });
  return {
    name: 'a program that signs',
    tenant: id,
    async headers(method, target, body) {
      const url = new URL(target, 'http://localhost');
      const query = Object.fromEntries(url.searchParams);
      const request = { method, protocol: 'http:', hostname: 'localhost', path: url.pathname, query };
      const { headers } = await signer.sign({ ...request, headers: { host: 'localhost' }, body: body ?? '' });
      return headers;
    },
  };
}

const onePerTenant = () => [...new Map(callers.map((caller) => [caller.tenant, caller])).values()];

interface Answer {
  status: number;
  headers: Record<string, string>;
  text: string;
}

async function ask(
  caller: Caller,
  method: string,
  target: string,
  body?: string,
  more: Record<string, string> = { 'content-type': 'application/json' },
): Promise<Answer> {
  const own = await caller.headers(method, target, body);
  const response = await test.app.request(target, {
    method,
    headers: { host: 'localhost', ...more, ...own },
    ...(body === undefined ? {} : { body }),
  });
  return { status: response.status, headers: Object.fromEntries(response.headers), text: await response.text() };
}

/** An answer without what differs between any two requests, and with one word for the id that was asked for. */
function without(answer: Answer, id: string): Answer {
  const clean = (text: string) => text.replaceAll(id, 'ID').replace(/req_\w+/g, 'REQUEST');
  const headers = Object.entries(answer.headers).map(([name, value]) => [name, clean(value)] as const);
  return { ...answer, headers: Object.fromEntries(headers), text: clean(answer.text) };
}

interface Kind {
  /** Makes one for a caller. */
  make(caller: Caller): Promise<string>;
  /** An id that looks like one and never was. */
  never(): string;
}
const kinds: Record<NonNullable<ApiRoute['owns']>, Kind> = {
  file: {
    async make(caller) {
      const form =
        '--b\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nuser_data\r\n' +
        '--b\r\nContent-Disposition: form-data; name="file"; filename="secret.txt"\r\n\r\nthe secret text\r\n--b--\r\n';
      const { status, text } = await ask(caller, 'POST', '/v1/files', form, {
        'content-type': 'multipart/form-data; boundary=b',
      });
      expect(status, text).toBe(200);
      return JSON.parse(text).id;
    },
    never: () => newOrderedId('file'),
  },
  response: {
    async make(caller) {
      const body = JSON.stringify({ model: 'default', input: 'the secret text', background: true });
      const { status, text } = await ask(caller, 'POST', '/v1/responses', body);
      expect(status, text).toBe(200);
      return JSON.parse(text).id;
    },
    never: () => newId('resp'),
  },
};

const withId = apiRoutes.filter(({ path }) => path.includes(':'));
const owned = withId.filter((route): route is ApiRoute & { owns: 'file' | 'response' } => route.owns !== undefined);

describe('the table of routes', () => {
  it('says of every id whose it is', () => {
    const unsaid = withId.filter((route) => route.owns === undefined && !ofNobody.has(writtenPath(route)));
    expect(unsaid.map(writtenPath)).toEqual([]);
  });

  it('has routes for files and responses', () => {
    expect(new Set(owned.map(({ owns }) => owns))).toEqual(new Set(['file', 'response']));
  });
});

const asked = owned.flatMap((route) =>
  // what deletes comes last: what was there until then must be there for its owner
  [...route.methods]
    .sort((a, b) => Number(a === 'DELETE') - Number(b === 'DELETE'))
    .map((method) => ({ route, method })),
);
const versions: Record<string, string>[] = [{}, { 'anthropic-version': '2023-06-01' }];
/** How an id may be asked for. */
const ways = [
  ...versions.map((headers) => ({ query: '', headers })),
  ...['?stream=true', '?limit=1'].map((query) => ({ query, headers: {} })),
];

describe('an id of another', () => {
  it.each(asked)(
    '$method $route.path answers as if it never was, whoever asks and however',
    async ({ route, method }) => {
      const { make, never } = kinds[route.owns];
      const at = (id: string, query = '') => route.path.replace(/:\w+/, id) + query;
      let compared = 0;
      for (const owner of onePerTenant()) {
        const id = await make(owner);
        for (const stranger of callers.filter(({ tenant }) => tenant !== owner.tenant)) {
          for (const { query, headers } of ways) {
            const none = never();
            const theirs = await ask(stranger, method, at(id, query), undefined, headers);
            const nobodys = await ask(stranger, method, at(none, query), undefined, headers);
            expect(nobodys.status).toBe(404);
            expect(without(theirs, id), `${owner.name}'s, asked by ${stranger.name}`).toEqual(without(nobodys, none));
            compared += 1;
          }
        }
        // and nothing happened to it; whoever acts for its tenant has it
        for (const same of callers.filter(({ tenant }) => tenant === owner.tenant)) {
          const path = owned.find(({ owns }) => owns === route.owns)?.path.replace(/:\w+/, id) as string;
          expect((await ask(same, 'GET', path)).status, `${owner.name}'s, asked by ${same.name}`).toBe(200);
        }
        const last = await ask(owner, method, at(id));
        expect(last.status, last.text).toBe(200);
      }
      expect(compared).toBeGreaterThan(100);
    },
  );

  const references: [string, NonNullable<ApiRoute['owns']>, string, (id: string) => object][] = [
    [
      'a document of a message',
      'file',
      '/v1/messages',
      (id) => ({
        model: 'default',
        max_tokens: 5,
        messages: [
          {
            role: 'user',
            content: [
              { type: 'document', source: { type: 'file', file_id: id } },
              { type: 'text', text: 'x' },
            ],
          },
        ],
      }),
    ],
    [
      'a document whose tokens are counted',
      'file',
      '/v1/messages/count_tokens',
      (id) => ({
        model: 'default',
        messages: [{ role: 'user', content: [{ type: 'document', source: { type: 'file', file_id: id } }] }],
      }),
    ],
    [
      'a file in a chat',
      'file',
      '/v1/chat/completions',
      (id) => ({
        model: 'default',
        messages: [{ role: 'user', content: [{ type: 'file', file: { file_id: id } }] }],
      }),
    ],
    [
      'a file in a response',
      'file',
      '/v1/responses',
      (id) => ({
        model: 'default',
        input: [{ role: 'user', content: [{ type: 'input_file', file_id: id }] }],
      }),
    ],
    [
      'the response before',
      'response',
      '/v1/responses',
      (id) => ({ model: 'default', input: 'x', previous_response_id: id }),
    ],
    [
      'the response before, of which tokens are counted',
      'response',
      '/v1/responses/input_tokens',
      (id) => ({ model: 'default', input: 'x', previous_response_id: id }),
    ],
  ];

  it.each(references)('%s is as good as none', async (_, kind, path, body) => {
    const { make, never } = kinds[kind];
    const [owner] = callers as [Caller];
    const id = await make(owner);
    const mine = await ask(owner, 'POST', path, JSON.stringify(body(id)));
    expect(mine.status, mine.text).toBe(200);
    for (const stranger of callers.filter(({ tenant }) => tenant !== owner.tenant)) {
      const none = never();
      const before = test.model.requests.length;
      const theirs = await ask(stranger, 'POST', path, JSON.stringify(body(id)));
      const nobodys = await ask(stranger, 'POST', path, JSON.stringify(body(none)));
      expect(nobodys.status, nobodys.text).toBeGreaterThanOrEqual(400);
      expect(without(theirs, id)).toEqual(without(nobodys, none));
      expect(test.model.requests.length).toBe(before);
    }
  });

  it.each([
    ['/v1/files?after=ID', {}],
    ['/v1/files?order=asc&after=ID', {}],
    ['/v1/files?after_id=ID', { 'anthropic-version': '2023-06-01' }],
    ['/v1/files?before_id=ID', { 'anthropic-version': '2023-06-01' }],
  ])('%s shows nobody else’s, and tells nothing', async (target, headers) => {
    const [owner] = callers as [Caller];
    const ids = [];
    for (let count = 0; count < 3; count++) ids.push(await kinds.file.make(owner));
    for (const stranger of callers.filter(({ tenant }) => tenant !== owner.tenant)) {
      const { status, text } = await ask(stranger, 'GET', target.replace('ID', ids[1] as string), undefined, headers);
      expect(status).toBe(200);
      for (const id of ids) expect(text.replace(ids[1] as string, '')).not.toContain(id);
      expect(text).not.toContain('the secret');
    }
  });
});

describe('an answer that another is being given', () => {
  it('cannot be followed, stopped or deleted, and goes on', async () => {
    const [owner] = callers as [Caller];
    test.model.behaviour = endless();
    try {
      const body = JSON.stringify({ model: 'default', input: 'the secret text', background: true, stream: true });
      // the stream is left; the answer goes on in the background
      const begun = await test.app.request('/v1/responses', {
        method: 'POST',
        body,
        headers: await owner.headers('POST', '/v1/responses', body),
      });
      const reader = begun.body?.getReader();
      const id = /resp_\w+/.exec(Buffer.from((await reader?.read())?.value ?? []).toString())?.[0] as string;
      expect(id).toBeDefined();
      await reader?.cancel();
      for (const stranger of callers.filter(({ tenant }) => tenant !== owner.tenant)) {
        for (const [method, suffix] of [
          ['GET', ''],
          ['GET', '?stream=true'],
          ['POST', '/cancel'],
          ['DELETE', ''],
        ] as const) {
          const none = kinds.response.never();
          const theirs = await ask(stranger, method, `/v1/responses/${id}${suffix}`);
          expect(without(theirs, id)).toEqual(
            without(await ask(stranger, method, `/v1/responses/${none}${suffix}`), none),
          );
          expect(theirs.status).toBe(404);
        }
      }
      const { text } = await ask(owner, 'GET', `/v1/responses/${id}`);
      expect(JSON.parse(text)).toMatchObject({ status: 'in_progress' });
      expect(JSON.parse((await ask(owner, 'POST', `/v1/responses/${id}/cancel`)).text)).toMatchObject({
        status: 'cancelled',
      });
    } finally {
      test.model.behaviour = undefined;
    }
  });
});

describe('a list', () => {
  const lists = apiRoutes.filter(({ path, methods, scope }) => {
    return (
      !path.includes(':') && methods.includes('GET') && scope !== 'open' && scope !== 'metrics' && scope !== 'session'
    );
  });

  it.each(lists)('$path shows only what is the caller’s', async ({ path }) => {
    const [owner] = callers as [Caller];
    const made = [await kinds.file.make(owner), await kinds.response.make(owner)];
    for (const stranger of callers.filter(({ tenant }) => tenant !== owner.tenant)) {
      for (const version of versions) {
        const { text } = await ask(stranger, 'GET', path, undefined, version);
        for (const id of made) expect(text).not.toContain(id);
      }
    }
    if (path === '/v1/files') expect((await ask(owner, 'GET', path)).text).toContain(made[0]);
  });
});

describe('a model that a key is not for', () => {
  it.each(modelRoutes)('$path answers as if it were not here', async (route) => {
    const limited = await createKey(test.services.store, {
      name: 'limited',
      role: 'admin',
      scopes: { routes: ['*'], models: ['other'] },
    });
    const caller: Caller = { name: '', tenant: '', headers: async () => ({ 'x-api-key': limited.key }) };
    const answers: Answer[] = [];
    // of the right kind for each route, so that only the key is at fault
    const here = route.scope === 'embeddings' ? 'vectors' : route.scope === 'rerank' ? 'scores' : 'fake';
    for (const model of [here, 'nope']) {
      const { path, body } = requestTo(route, model);
      answers.push(without(await ask(caller, 'POST', path, JSON.stringify(body)), model));
    }
    expect(answers[0]?.status).toBe(404);
    expect(answers[0]).toEqual(answers[1]);
    const all: Caller = { name: '', tenant: '', headers: async () => ({ 'x-api-key': test.key }) };
    const { path, body } = requestTo(route, here);
    const given = await ask(all, 'POST', path, JSON.stringify(body));
    expect(given.status, given.text).toBe(200);
  });
});
