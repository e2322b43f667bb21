// The tables, as kysely types and as forward-only migrations. A migration, once released, is never edited: the next
// change is a new entry. Times are milliseconds since 1970; secrets are stored only as SHA-256 in hex, save for those that
// are needed to verify signatures, which are encrypted.
import type { Generated } from 'kysely';

export type Role = 'admin' | 'member' | 'service';

export interface ApiKeysTable {
  id: string;
  name: string;
  role: Role;
  /** SHA-256 of the whole key, hex. */
  hash: string;
  /** The first 8 characters, for people to tell keys apart. */
  prefix: string;
  created_at: number;
  last_used_at: Generated<number | null>;
  revoked_at: Generated<number | null>;
  /** JSON of KeyScopes; null: no limits, as keys had before there were scopes. */
  scopes: Generated<string | null>;
  expires_at: Generated<number | null>;
  /** SHA-256 of the secret before the last rotation, and until when it is still good. */
  previous_hash: Generated<string | null>;
  previous_until: Generated<number | null>;
  rotated_at: Generated<number | null>;
}

/** Credentials of programs that sign their requests as AWS's do; see aws-credentials.ts. */
export interface AwsCredentialsTable {
  id: string;
  name: string;
  role: Role;
  /** `FHIA` and 16 of A-Z 2-7. */
  access_key_id: string;
  /** The secret access key, encrypted: `v1.` and base64url of nonce, text and tag. */
  sealed_secret: string;
  created_at: number;
  last_used_at: Generated<number | null>;
  revoked_at: Generated<number | null>;
  /** As of the table of keys. */
  scopes: Generated<string | null>;
  expires_at: Generated<number | null>;
}

export interface SessionsTable {
  /** SHA-256 of the cookie's value, hex. */
  hash: string;
  /** The key it was opened with; null when opened with a one-time sign-in token. */
  key_id: string | null;
  name: string;
  role: Role;
  created_at: number;
  expires_at: number;
}

/** What is written down of a job's state; that its process died is not, and is told from its lease. */
export type StoredJobState = 'queued' | 'running' | 'paused' | 'succeeded' | 'failed' | 'cancelled';

export interface JobsTable {
  id: string;
  /** What the job does: `train`. */
  kind: string;
  /** Unique among the jobs of a kind. */
  name: string;
  /** Where its files lie, relative to the home folder. */
  folder: string;
  state: StoredJobState;
  requested: 'pause' | 'stop' | null;
  /** JSON of the kind's own shape. */
  progress: string | null;
  /** JSON of an ErrorRecord. */
  error: string | null;
  /** Random; who holds it works on the job. */
  lease: string | null;
  lease_until: number;
  heartbeat_at: number | null;
  pid: number | null;
  pid_started: string | null;
  host: string | null;
  created_at: number;
  started_at: number | null;
  finished_at: number | null;
}

export interface FilesTable {
  /** Sorts by time. */
  id: string;
  /** The tenant it belongs to; for all others it does not exist. */
  owner: string;
  /** Cleaned of paths and control characters. */
  name: string;
  /** As the uploader said; nothing is concluded from the content. */
  media_type: string;
  purpose: string;
  size_bytes: number;
  created_at: number;
  expires_at: number | null;
}

export interface ResponsesTable {
  id: string;
  /** The tenant it belongs to; for all others it does not exist. */
  owner: string;
  /** The response it goes on from; that one may be gone. */
  previous_id: string | null;
  status: 'queued' | 'in_progress' | 'completed' | 'incomplete' | 'failed' | 'cancelled';
  /** JSON of the API's own object, its output aside. */
  body: string;
  /** Characters of all its JSON, its items' too. */
  size: number;
  /** JSON of the events of its generation, where they are to be told again as they came. */
  events: string | null;
  /** The process that answers it, while it is not over; of those answered in the background only. */
  pid: number | null;
  pid_started: string | null;
  host: string | null;
  created_at: number;
}

export interface ResponseItemsTable {
  response_id: string;
  side: 'input' | 'output';
  position: number;
  /** Unique within a response only: a request may repeat the items of an earlier one. */
  id: string;
  /** JSON of the API's own object. */
  item: string;
}

export interface Schema {
  responses: ResponsesTable;
  response_items: ResponseItemsTable;
  files: FilesTable;
  api_keys: ApiKeysTable;
  aws_credentials: AwsCredentialsTable;
  sessions: SessionsTable;
  jobs: JobsTable;
}

/** Migration n takes a database from version n to version n + 1. */
export const migrations: readonly (readonly string[])[] = [
  [
    `create table api_keys (
       id text primary key,
       name text not null,
       role text not null check (role in ('admin', 'member', 'service')),
       hash text not null unique,
       prefix text not null,
       created_at integer not null,
       last_used_at integer,
       revoked_at integer
     )`,
    `create table sessions (
       hash text primary key,
       key_id text references api_keys (id),
       name text not null,
       role text not null check (role in ('admin', 'member', 'service')),
       created_at integer not null,
       expires_at integer not null
     )`,
    'create index sessions_by_key on sessions (key_id)',
  ],
  [
    `create table jobs (
       id text primary key,
       kind text not null,
       name text not null,
       folder text not null unique,
       state text not null check (state in ('queued', 'running', 'paused', 'succeeded', 'failed', 'cancelled')),
       requested text check (requested in ('pause', 'stop')),
       progress text,
       error text,
       lease text,
       lease_until integer not null,
       heartbeat_at integer,
       pid integer,
       pid_started text,
       host text,
       created_at integer not null,
       started_at integer,
       finished_at integer,
       unique (kind, name)
     )`,
  ],
  [
    'alter table api_keys add column scopes text',
    'alter table api_keys add column expires_at integer',
    'alter table api_keys add column previous_hash text',
    'alter table api_keys add column previous_until integer',
    'alter table api_keys add column rotated_at integer',
    'create unique index api_keys_by_previous_hash on api_keys (previous_hash) where previous_hash is not null',
  ],
  [
    `create table aws_credentials (
       id text primary key,
       name text not null,
       role text not null check (role in ('admin', 'member', 'service')),
       access_key_id text not null unique,
       sealed_secret text not null,
       created_at integer not null,
       last_used_at integer,
       revoked_at integer,
       scopes text,
       expires_at integer
     )`,
  ],
  [
    `create table files (
       id text primary key,
       owner text not null,
       name text not null,
       media_type text not null,
       purpose text not null,
       size_bytes integer not null,
       created_at integer not null,
       expires_at integer
     )`,
    'create index files_by_owner on files (owner, id)',
  ],
  [
    `create table responses (
       id text primary key,
       owner text not null,
       previous_id text,
       status text not null check (status in ('queued', 'in_progress', 'completed', 'incomplete', 'failed', 'cancelled')),
       body text not null,
       size integer not null,
       events text,
       pid integer,
       pid_started text,
       host text,
       created_at integer not null
     )`,
    'create index responses_by_age on responses (created_at)',
    'create index responses_by_owner on responses (owner, created_at, size)',
    `create table response_items (
       response_id text not null references responses (id) on delete cascade,
       side text not null check (side in ('input', 'output')),
       position integer not null,
       id text not null,
       item text not null,
       primary key (response_id, side, position)
     ) without rowid`,
    'create index response_items_by_id on response_items (id)',
  ],
];
