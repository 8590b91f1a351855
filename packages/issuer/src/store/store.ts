import type { EpochMillis, Telemetry } from '@rescind/revocation';
import type { SigningAlgorithm } from '@rescind/token/signing';
import type { RegisteredClient } from '../issuer-clients.ts';
import type { KeyPurpose, KeyState } from '../issuer-keys.ts';
import type { InstanceReads, Instances } from './instances.ts';
import type {
  ClosingEvents,
  CommittedLog,
  Meta,
  MetaReads,
  OtherIssuerReads,
  OtherIssuers,
  Outbox,
  OutboxReads,
  RevocationReads,
  Revocations,
  StoredTimes,
} from './log.ts';
import type { SessionReads, Sessions } from './sessions.ts';
import type { UserEventReads, UserEvents } from './user-events.ts';

export interface ClientReads {
  find(clientId: string): Promise<RegisteredClient | undefined>;
  /** By their id. */
  all(): Promise<RegisteredClient[]>;
}

/** The registered clients. */
export interface Clients extends ClientReads {
  /** Inserts the client, or replaces the one with the same id. */
  put(client: RegisteredClient): Promise<void>;
  /** Whether there was one. */
  delete(clientId: string): Promise<boolean>;
  /** Stores an assertion until it has expired, by one statement. @returns false: it was stored already */
  takeAssertion(clientId: string, digest: Buffer, expiresAt: EpochMillis): Promise<boolean>;
  /** Deletes the assertions that expired before this time. */
  pruneAssertions(before: EpochMillis): Promise<void>;
}

/** The reads of a store, by table. */
export interface StoreReads {
  readonly meta: MetaReads;
  readonly keys: KeyReads;
  readonly sessions: SessionReads;
  readonly clients: ClientReads;
  readonly revocations: RevocationReads;
  readonly outbox: OutboxReads;
  readonly otherIssuers: OtherIssuerReads;
  readonly instances: InstanceReads;
  readonly userEvents: UserEventReads;
}

/**
 * One transaction: what it reads includes what it has written. After an error of one of its methods it can only be rolled back, also
 * when its work catches the error, unless the method was called inside `savepoint`. After its end its methods reject, also those that
 * were taken from it before: `watchTransaction` does both.
 * @typeParam Sql what the store gives its host for rows of its own
 */
export interface StoreTransaction<Sql = unknown> extends StoreReads {
  /** Its writes are part of the transaction, as those of every other member. */
  readonly meta: Meta;
  readonly keys: Keys;
  readonly sessions: Sessions;
  readonly clients: Clients;
  readonly revocations: Revocations;
  readonly outbox: Outbox;
  readonly closingEvents: ClosingEvents;
  readonly otherIssuers: OtherIssuers;
  readonly instances: Instances;
  readonly userEvents: UserEvents;
  readonly storedTimes: StoredTimes;
  /** The host's rows. */
  readonly sql: Sql;
  /**
   * When `work` rejects, what it wrote is undone, this rejects with the same error, and the rest of the transaction remains. When the
   * savepoint itself fails, the transaction is rolled back.
   */
  savepoint<T>(work: () => Promise<T>): Promise<T>;
}

/** A store that the issuer holds open. docs/issuer-store.md describes each operation; `storeContract` tests it. */
export interface Store<Sql = unknown> {
  /** Reads of what is committed, never of an open transaction; each is a snapshot of its own. */
  readonly read: StoreReads & { readonly sql: Sql };
  /** The committed log, to be read outside of transactions. */
  readonly log: CommittedLog;
  /**
   * Runs `work` as one transaction, durable when the promise resolves; when it rejects nothing of it happened. Transactions run one
   * after another, in the order of the calls. `work` waits for nothing but the transaction.
   * @throws Error inside of another transaction of this store, at once
   * @throws RescindError `busy` when another process holds the store for longer than it waits
   */
  transaction<T>(work: (tx: StoreTransaction<Sql>) => Promise<T>): Promise<T>;
  /** Keeps the store's own files within bounds. Called every second. Never throws. */
  maintain(): void;
  /** What health reports of the store; absent: nothing is wrong. */
  overLimit(): Readonly<Record<string, string | number>> | undefined;
  /** Waits for the transaction that runs. After it every call rejects or throws. */
  close(): Promise<void>;
}

/** What the option `store` takes, such as `sqliteStore({ path })`. It is opened once, by `openIssuer` or `restoreIssuer`. */
export interface StoreProvider<Sql = unknown> {
  /** The option and the place that messages name, such as `sqliteStore path /var/lib/login.db`. */
  readonly name: string;
  /**
   * Opens it as its only writer, and takes its schema to the latest version in one transaction.
   * @throws RescindError `database_locked`, `database_newer`, `configuration_invalid`, `storage_unavailable`
   */
  open(telemetry: Telemetry): Promise<Store<Sql>>;
}

/** Why a key was made. `choice`: by command, with an algorithm that is not the configured one. */
export type KeyCause = 'start' | 'schedule' | 'command' | 'choice' | 'algorithm' | 'revocation' | 'restore';

/** A key in the store: everything but the private key. */
export interface KeyRow {
  /** Its RFC 7638 thumbprint. */
  readonly kid: string;
  /** What the key signs. */
  readonly purpose: KeyPurpose;
  /** The one algorithm that it signs with. */
  readonly alg: SigningAlgorithm;
  /** Whether it signs, will sign, has signed, or was revoked. */
  readonly state: KeyState;
  /** Why it was made. */
  readonly cause: KeyCause;
  /** When it was made. */
  readonly createdAt: EpochMillis;
  /** When it began to sign; null: it never has. */
  readonly activatedAt: EpochMillis | null;
  /** Of a former key; null: not decided yet. */
  readonly retiresAt: EpochMillis | null;
}

/** The states of the keys; the keys themselves are files elsewhere. */
export interface KeyReads {
  find(kid: string): Promise<KeyRow | undefined>;
  /** The kid of the one that signs. */
  active(purpose: KeyPurpose): Promise<string | undefined>;
  next(purpose: KeyPurpose): Promise<KeyRow | undefined>;
  /** The active one first, then the next, the former and the revoked; by their age. */
  all(purpose: KeyPurpose): Promise<KeyRow[]>;
}

/** Of each purpose at most one key is `active`, and at most one `next`: a second one is rejected. */
export interface Keys extends KeyReads {
  /** Inserts a key. `activatedAt` of an `active` one is its `createdAt`. */
  insert(key: Omit<KeyRow, 'activatedAt' | 'retiresAt'>): Promise<void>;
  /** Makes a key the one that signs, from `at` on. */
  activate(kid: string, at: EpochMillis): Promise<void>;
  /** Makes a key a former one. `retiresAt` null: not decided yet. */
  retire(kid: string, retiresAt: EpochMillis | null): Promise<void>;
  /** Makes a key a revoked one. */
  revoke(kid: string): Promise<void>;
  /** Deletes the row of a key. */
  delete(kid: string): Promise<void>;
}

/** The state of a transaction, for the methods of its tables. */
export interface TransactionWatch {
  /** False from its end on, however it ended. */
  isOpen(): boolean;
  /** Is called with each error of a method. */
  failed(error: unknown): void;
}

/** The message of the error of a call after the end of a transaction. */
export const TRANSACTION_OVER = 'the transaction is over: its work must not continue after it';

/**
 * Wraps a transaction for its work: the methods of its tables reject after its end, when another one may be open, and each
 * of their errors is reported. `sql` and `savepoint` stay as they are. For implementations of a store.
 */
export function watchTransaction<Sql>(
  tx: StoreTransaction<Sql>,
  { isOpen, failed }: TransactionWatch,
): StoreTransaction<Sql> {
  const ofTable: ProxyHandler<object> = {
    get(methods, name) {
      const method: unknown = Reflect.get(methods, name);
      if (typeof method !== 'function') return method;
      return (...args: unknown[]) => {
        if (!isOpen()) return Promise.reject(new Error(TRANSACTION_OVER));
        const result: Promise<unknown> = method(...args);
        result.catch(failed);
        return result;
      };
    },
  };
  // Each refresh runs this and uses two or three of the tables: the others are not wrapped.
  return new Proxy(tx, {
    get(tables, name) {
      const table: unknown = Reflect.get(tables, name);
      const isTable = typeof table === 'object' && table !== null && name !== 'sql';
      return isTable ? new Proxy(table, ofTable) : table;
    },
  });
}
