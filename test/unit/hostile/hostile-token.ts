import type { ErrorCode } from '@rescind/revocation';

/** A token of a client that has no valid one, or that has one and attempts more. */
export interface HostileToken {
  /** The line of the security checklist that it breaks. */
  readonly security: number;
  readonly what: string;
  readonly text: string;
  /** With which it is refused. */
  readonly code: ErrorCode;
}
