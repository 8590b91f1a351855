/**
 * What went wrong. Only `session_ended` and `not_logged_in` are about the user; `offline` and `unavailable` pass by themselves.
 *
 * | code                  | meaning                                                                                     |
 * | --------------------- | ------------------------------------------------------------------------------------------- |
 * | `not_logged_in`       | there is no session                                                                          |
 * | `session_ended`       | the session is over; `onSessionEnd` has received the reason                                  |
 * | `login_refused`       | the issuer refused the login; `serverCode` says why, such as `credentials_wrong`             |
 * | `offline`             | the issuer could not be reached                                                              |
 * | `unavailable`         | the issuer responded, but not with tokens: 5xx, 429, or something unreadable                 |
 * | `body_not_repeatable` | the token was refused and is renewed, but the stream of the request has been read            |
 * | `wrong_setup`         | the issuer refuses this client as it is configured; `serverCode` says why                    |
 * | `storage_unavailable` | the storage of the browser failed; the session continues in memory                           |
 */
export type SessionErrorCode =
  | 'not_logged_in'
  | 'session_ended'
  | 'login_refused'
  | 'offline'
  | 'unavailable'
  | 'body_not_repeatable'
  | 'wrong_setup'
  | 'storage_unavailable';

interface SessionErrorDetails extends ErrorOptions {
  readonly status?: number | undefined;
  readonly serverCode?: string | undefined;
  readonly reason?: string | undefined;
  readonly retryAfterMs?: number | undefined;
}

/**
 * Every error of a session that a program may want to distinguish. Its message is the code, and that of the issuer. A mistake of the
 * programmer is a `TypeError`.
 */
export class SessionError extends Error {
  override readonly name = 'SessionError';
  readonly code: SessionErrorCode;
  /** HTTP status of the issuer's response. */
  declare readonly status: number | undefined;
  /** The `code` (or `error`) of the issuer's response: docs/errors.md. */
  declare readonly serverCode: string | undefined;
  /** The `reason` of the issuer's response, such as `suspended`. */
  declare readonly reason: string | undefined;
  /** After how many ms another attempt makes sense, if the issuer named a time. */
  declare readonly retryAfterMs: number | undefined;

  constructor(code: SessionErrorCode, details?: SessionErrorDetails) {
    super(`${code} ${details?.serverCode ?? ''}`.trim());
    this.code = code;
    Object.assign(this, details);
  }
}

export const sessionOver = (): SessionError => new SessionError('session_ended');
