import { join } from 'node:path';
import type { Publisher } from '@rescind/feed';
import type { DecodedRecord, EventDecoder } from '@rescind/feed/event';
import { createEventDecoder } from '@rescind/feed/event';
import type { AccessAnswer, Issuer, IssuerOptions, SubjectRecord, TokenAnswer } from '@rescind/issuer';
import { openIssuer } from '@rescind/issuer';
import type { HostSql, SqliteStore } from '@rescind/issuer-sqlite';
import { sqliteStore } from '@rescind/issuer-sqlite';
import type { RescindError } from '@rescind/revocation';
import { createKeySet } from '@rescind/token';
import Database from 'better-sqlite3';
import { onTestFinished } from 'vitest';
import { temporaryDirectory } from '../../support/directory.ts';

export const ISSUER = 'https://login.example';

const publicClient = (clientId: string) => ({ clientId, name: clientId, authMethod: 'none' as const });

/** A host's users, in memory. */
class Users {
  readonly #records = new Map<string, SubjectRecord>();

  put(sub: string, record: Partial<SubjectRecord> = {}): void {
    const before = this.#records.get(sub) ?? { claims: { scope: 'read write' }, credentialVersion: 1, active: true };
    this.#records.set(sub, { ...before, ...record });
  }

  delete(sub: string): void {
    this.#records.delete(sub);
  }

  get(sub: string): SubjectRecord | undefined {
    return this.#records.get(sub);
  }
}

/** The files and the users of an issuer, which can be opened again and again. */
export interface IssuerSetting {
  readonly directory: string;
  readonly databasePath: string;
  readonly keysPath: string;
  readonly users: Users;
  open(options?: Partial<IssuerOptions> & { databasePath?: string }): Promise<Issuer>;
}

const stores = new WeakMap<Issuer, SqliteStore>();

/** The host's rows of an issuer that `createIssuerSetting().open` opened. */
export function sqlOf(issuer: Issuer): HostSql {
  const store = stores.get(issuer);
  if (store === undefined) throw new Error('another issuer');
  return store.sql;
}

/** Another connection to the file of an issuer that `createIssuerSetting().open` opened. */
export function fileOf(issuer: Issuer): Database.Database {
  const [list] = sqlOf(issuer).pragma('database_list') as readonly { readonly file: string }[];
  const database = new Database(list?.file ?? '');
  onTestFinished(() => void database.close());
  return database;
}

export function createIssuerSetting(): IssuerSetting {
  const directory = temporaryDirectory();
  const databasePath = join(directory, 'users.db');
  const keysPath = join(directory, 'keys');
  const users = new Users();
  users.put('ada');
  return {
    directory,
    databasePath,
    keysPath,
    users,
    async open({ databasePath: path = databasePath, ...options } = {}) {
      const store = sqliteStore({ path });
      const issuer = await openIssuer({
        issuer: ISSUER,
        store,
        keysPath,
        subject: (_from, sub) => users.get(sub),
        clients: ['web', 'app'].map(publicClient),
        ...options,
      });
      stores.set(issuer, store);
      onTestFinished(() => issuer.close());
      return issuer;
    },
  };
}

/** Logs `sub` in, with the credential it has now. */
export function login(
  issuer: Issuer,
  sub = 'ada',
  more: { clientId?: string; credentialVersion?: number } = {},
): Promise<TokenAnswer> {
  return issuer.transaction((tx) =>
    tx.beginSession({
      sub,
      clientId: more.clientId ?? 'web',
      audience: 'prices',
      credentialVersion: more.credentialVersion ?? 1,
      amr: ['pwd'],
    }),
  );
}

/** Logs `ada` in and out again. */
export async function loginAndLogout(issuer: Issuer) {
  const { sid } = await login(issuer);
  return issuer.transaction((tx) => tx.endSession({ sid, reason: 'logout' }));
}

export function refresh(issuer: Issuer, answer: TokenAnswer, clientId = 'web'): Promise<TokenAnswer> {
  return issuer.refresh({ refreshToken: answer.refresh_token, clientId });
}

/** The code of the error that `work` throws; `undefined` when it throws none. */
export async function codeOf(work: () => unknown): Promise<string | undefined> {
  try {
    await work();
    return undefined;
  } catch (error) {
    return (error as RescindError).code ?? String(error);
  }
}

/** The result of `issuer.verify` for this token: `ok`, or the code of the refusal. */
export async function verdictOf(issuer: Issuer, answer: AccessAnswer): Promise<string> {
  try {
    await issuer.verify(answer.access_token);
    return 'ok';
  } catch (error) {
    return (error as RescindError).code ?? String(error);
  }
}

export function decoderOf(issuer: Issuer, issuers: readonly string[] = [ISSUER]): EventDecoder {
  return createEventDecoder({ log: ISSUER, issuers, keys: createKeySet(issuer.eventJwks()) });
}

/** The whole outbox, verified. */
export function eventsOf(issuer: Issuer, issuers?: readonly string[]): Extract<DecodedRecord, { kind: 'event' }>[] {
  const decoder = decoderOf(issuer, issuers);
  return issuer.log.read(0, 100_000).map(({ jws }) => {
    const record = decoder.decode(jws);
    if (record.kind !== 'event') throw new Error(`an event of the outbox is ${record.kind}`);
    return record;
  });
}

export function claimsOf(answer: AccessAnswer): Record<string, unknown> {
  return payloadOf(answer.access_token);
}

export function payloadOf(jws: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(jws.split('.')[1] ?? '', 'base64url').toString('utf8'));
}

/** A topic in memory with the interface of a publisher. The system tests use a real Kafka. */
export class Topic {
  records: string[] = [];
  isDown = false;

  publisher(): Publisher {
    const answer = () => {
      if (this.isDown) throw new Error('nobody answers');
    };
    return {
      publish: async (batch) => {
        answer();
        this.records.push(...batch);
      },
      tail: async (most) => {
        answer();
        return this.records.slice(-most);
      },
      replay: () => this.#replay(answer),
      close: async () => undefined,
    };
  }

  async *#replay(answer: () => void): AsyncGenerator<readonly string[]> {
    answer();
    for (let from = 0; from < this.records.length; from += 50) yield this.records.slice(from, from + 50);
  }
}
