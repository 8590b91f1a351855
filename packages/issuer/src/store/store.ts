import type { EpochMillis, Telemetry } from '@rescind/revocation';
import type { RegisteredClient } from '../issuer-clients.ts';
import type { Keys } from './keys.ts';
import type { LastWords, Meta, OtherIssuers, Outbox, Revocations, StoredTimes } from './log.ts';
import type { SessionList, Sessions } from './sessions.ts';

export interface Clients {
  put(client: RegisteredClient): void;
  find(clientId: string): RegisteredClient | undefined;
  all(): RegisteredClient[];
  delete(clientId: string): boolean;
  /** Remembers an assertion until it has expired; false: it had come before. */
  takeAssertion(clientId: string, digest: Buffer, expiresAt: EpochMillis): boolean;
  pruneAssertions(before: EpochMillis): void;
}

/** Everything that the issuer keeps, by what it is about. */
export interface Tables {
  readonly meta: Meta;
  readonly keys: Keys;
  readonly sessions: Sessions;
  readonly listSessions: SessionList;
  readonly clients: Clients;
  readonly revocations: Revocations;
  readonly outbox: Outbox;
  readonly lastWords: LastWords;
  readonly otherIssuers: OtherIssuers;
  readonly storedTimes: StoredTimes;
}

/** A store that the issuer holds open. */
export interface Store extends Tables {
  /**
   * Runs `work` as one transaction, durable when it returns. When `work` throws, nothing of it happened.
   * @throws RescindError `busy` when another process holds the store for longer than it waits
   */
  transaction<T>(work: () => T): T;
  readonly inTransaction: boolean;
  /** Inside a transaction: when `work` throws, what it wrote is undone and the rest of the transaction stays. */
  apart<T>(work: () => T): T;
  /** Keeps the store's own files within bounds. Called every second, outside of transactions. Never throws. */
  maintain(): void;
  /** What health reports of the store; absent: nothing is wrong. */
  excess(): Readonly<Record<string, string | number>> | undefined;
  close(): void;
}

/** What the option `store` takes, such as `sqliteStore({ path })`. It is opened once, by `openIssuer` or `restoreIssuer`. */
export interface StoreProvider {
  /** The option and the place that messages name, such as `sqliteStore path /var/lib/login.db`. */
  readonly name: string;
  /** @throws RescindError `database_locked`, `database_newer`, `configuration_invalid`, `storage_unavailable` */
  open(telemetry: Telemetry): Store;
}
