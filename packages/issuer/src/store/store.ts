import type { EpochMillis, Telemetry } from '@rescind/revocation';
import type { RegisteredClient } from '../issuer-clients.ts';
import type { KeyReads, Keys } from './keys.ts';
import type {
  CommittedLog,
  LastWords,
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

export interface ClientReads {
  find(clientId: string): Promise<RegisteredClient | undefined>;
  /** By their id. */
  all(): Promise<RegisteredClient[]>;
}

export interface Clients extends ClientReads {
  put(client: RegisteredClient): Promise<void>;
  /** Whether there was one. */
  delete(clientId: string): Promise<boolean>;
  /** Remembers an assertion until it has expired, by one statement; false: it had come before. */
  takeAssertion(clientId: string, digest: Buffer, expiresAt: EpochMillis): Promise<boolean>;
  pruneAssertions(before: EpochMillis): Promise<void>;
}

/** What may be read, by what it is about. */
export interface StoreReads {
  readonly meta: MetaReads;
  readonly keys: KeyReads;
  readonly sessions: SessionReads;
  readonly clients: ClientReads;
  readonly revocations: RevocationReads;
  readonly outbox: OutboxReads;
  readonly otherIssuers: OtherIssuerReads;
}

/**
 * One transaction: what it reads includes what it has written. After an error of one of its methods it can only be rolled back, also
 * when its work catches the error, unless the method was called inside `apart`. After its end its methods reject, also those that
 * were taken from it before: `watchTransaction` does both.
 * @typeParam Sql what the store gives its host for rows of its own
 */
export interface StoreTransaction<Sql = unknown> extends StoreReads {
  readonly meta: Meta;
  readonly keys: Keys;
  readonly sessions: Sessions;
  readonly clients: Clients;
  readonly revocations: Revocations;
  readonly outbox: Outbox;
  readonly lastWords: LastWords;
  readonly otherIssuers: OtherIssuers;
  readonly storedTimes: StoredTimes;
  /** The host's rows. */
  readonly sql: Sql;
  /**
   * When `work` rejects, what it wrote is undone, this rejects with the same error, and the rest of the transaction stays. When this
   * fails by itself, the transaction is rolled back.
   */
  apart<T>(work: () => Promise<T>): Promise<T>;
}

/** A store that the issuer holds open. docs/issuer-store.md says what each operation does; `storeContract` tries it. */
export interface Store<Sql = unknown> {
  /** Reads of what is committed, never of an open transaction; each is a snapshot of its own. */
  readonly read: StoreReads & { readonly sql: Sql };
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
  excess(): Readonly<Record<string, string | number>> | undefined;
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
