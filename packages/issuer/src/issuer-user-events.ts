import type { EpochMillis } from '@rescind/revocation';
import type { Origin } from './issuer-sessions.ts';
import type { UserEventFilter, UserEventRow, UserEventType } from './store/user-events.ts';

/** What happened to a user or a session. */
export type UserEvent = UserEventRow;

/** A page of events, the latest first. */
export interface UserEventQuery extends UserEventFilter {
  /** `next` of the page before, which had the same filter. Default: the first page. */
  readonly after?: string | undefined;
  /** 1 to 1 000. Default 100. */
  readonly limit?: number | undefined;
}

/** A page of events. */
export interface UserEventPage {
  /** By `at`, the latest first. */
  readonly items: readonly UserEvent[];
  /** `after` of the next page; absent: this is the last one. */
  readonly next?: string;
  /** The `seq` of the last event that was committed: `following(head)` continues with what happens afterwards. */
  readonly head: number;
}

/** An event of the host, in the transaction of what it records. If it cannot be written, it is counted and logged, and the transaction continues. */
export interface RecordedUserEvent {
  readonly type: UserEventType;
  /** The user. */
  readonly sub: string;
  /** The session; default: none. */
  readonly sid?: string;
  /** The client; default: none. */
  readonly clientId?: string;
  /** A stable word such as `password_changed`; default: none. */
  readonly reason?: string;
}

/** A refused request: its response is sent whether or not the event is written. */
export interface RefusedUserEvent {
  readonly type: 'login_refused' | 'confirmation_refused' | 'refresh_refused';
  /** The error code of the response. */
  readonly code: string;
  /** The user; absent: there is none of that name. */
  readonly sub?: string | undefined;
  readonly sid?: string | undefined;
  readonly clientId?: string | undefined;
  /** The reason that the response has beside the code; default: none. */
  readonly reason?: string | undefined;
  /** Longer text is cut. */
  readonly origin?: Origin | undefined;
  /** Longer text is cut. */
  readonly deviceName?: string | undefined;
}

/** What happened to users and their sessions. It is kept for `userEventRetentionMs`. */
export interface IssuerUserEvents {
  /** @throws RescindError `request_invalid`: `after` is of another filter, or no cursor */
  list(query?: UserEventQuery): Promise<UserEventPage>;
  /** The first `limit` committed events with `seq` > `after`, in the order of their commits. */
  following(after: number, limit: number): Promise<readonly UserEvent[]>;
  /** A `seq` after which every event follows that is not earlier than `since`. Earlier ones follow, too. */
  positionAt(since: EpochMillis): Promise<number>;
  /** Calls `listener` after each commit with an event. @returns a function that ends this */
  onAppend(listener: () => void): () => void;
  /**
   * Records a refusal. Equal ones of a minute share a row or two, and the rows of a minute and of a day are limited for each user, for
   * each address and in total: beyond the limits one row without an origin counts them, and `rescind_user_events_dropped_total` does.
   * Returns at once; the row is written within a second, or when the storage works again. Never throws, except TypeError for its argument.
   */
  refused(refusal: RefusedUserEvent): void;
  /** Runs `work`: events that it causes name this actor, such as `user` or `operator:ada`. */
  as<T>(actor: string, work: () => T): T;
}
