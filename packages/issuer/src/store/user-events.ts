import type { EpochMillis } from '@rescind/revocation';

/**
 * What happened. `sessions_ended`: so many sessions ended at once that they have no row each. `tokens_revoked`: earlier tokens are
 * denied, and sessions continue.
 */
export const USER_EVENT_TYPES = [
  'login',
  'login_refused',
  'reauthenticated',
  'confirmation_refused',
  'refresh_refused',
  'token_reused',
  'session_ended',
  'sessions_ended',
  'tokens_revoked',
  'reauthentication_required',
  'account_created',
  'account_changed',
  'account_deleted',
] as const;

/** One of `USER_EVENT_TYPES`. */
export type UserEventType = (typeof USER_EVENT_TYPES)[number];

/** A user event that has no position yet. It has no secret and no name: a user is `sub`. */
export interface NewUserEvent {
  /** When it happened; of several refusals the first. */
  readonly at: EpochMillis;
  /** Of several refusals the last; else as `at`. */
  readonly lastAt: EpochMillis;
  readonly type: UserEventType;
  /** The user; null: no user of that name, or everybody. */
  readonly sub: string | null;
  /** The session; null: none, or several. */
  readonly sid: string | null;
  /** Null: none, or every one. */
  readonly clientId: string | null;
  /** Of a refusal: the error code of the response. */
  readonly code: string | null;
  /** A stable word, such as `logout` or `device_lost`. */
  readonly reason: string | null;
  /** Who caused it, such as `user`, `operator:ada` or `issuer`; null: unknown. */
  readonly actor: string | null;
  /** The revocation that it is of; null: none. */
  readonly txn: string | null;
  /** As the session has it: an address as coarse as the host gives it. */
  readonly address: string | null;
  readonly userAgent: string | null;
  readonly deviceName: string | null;
  /** How many refusals, or ended sessions, the row stands for; 1 of any other. */
  readonly count: number;
}

/** A user event in its place. */
export interface UserEventRow extends NewUserEvent {
  /** Ascends in the order of the commits, and is never given again. */
  readonly seq: number;
}

/** Which events a list has: each given member must match. */
export interface UserEventFilter {
  /** Those of this user, and those `sessions_ended` of a client or of everybody. */
  readonly sub?: string | undefined;
  /** Those of this session, and those `sessions_ended` of a client or of everybody. */
  readonly sid?: string | undefined;
  readonly type?: UserEventType | undefined;
  /** Not earlier. */
  readonly since?: EpochMillis | undefined;
  /** Earlier than this. */
  readonly until?: EpochMillis | undefined;
}

/** A place in a list: the latest first, by `at`, then `seq`. */
export interface UserEventPosition {
  readonly at: EpochMillis;
  readonly seq: number;
}

export interface UserEventReads {
  /** The first `limit` of a filter beyond `after`: by `at`, then `seq`, descending. */
  list(filter: UserEventFilter, after: UserEventPosition | undefined, limit: number): Promise<UserEventRow[]>;
  /** The first `limit` with `seq` > `after`, ascending. */
  following(after: number, limit: number): Promise<UserEventRow[]>;
  /** The greatest `seq` that was ever given; 0 before the first. */
  head(): Promise<number>;
  /** The `seq` of the latest event of a type, by `at`, then `seq`, that is earlier than `before`; undefined: there is none. */
  lastBefore(type: UserEventType, before: EpochMillis): Promise<number | undefined>;
  /** The least `at`; undefined: there is none. */
  oldestAt(): Promise<EpochMillis | undefined>;
}

/** What happened to users and their sessions, in the transaction of what it records. */
export interface UserEvents extends UserEventReads {
  /** Stores an event with the next `seq`. */
  append(event: NewUserEvent): Promise<void>;
  /** Sets `head` to `seq` where it is lower: the next event gets a greater one. */
  raiseHead(seq: number): Promise<void>;
  /** Deletes the earliest events with `at` < `before`, at most `most`. Returns their number. */
  prune(before: EpochMillis, most: number): Promise<number>;
  /** Makes `address`, `userAgent` and `deviceName` of events of a user null, of at most `most`. Returns their number. */
  forgetOrigins(sub: string, most: number): Promise<number>;
}
