import type { ErrorCode } from '@rescind/revocation';

/** A token that somebody sends who has no good one, or who has one and wants more of it. */
export interface HostileToken {
  /** The line of the security checklist that it breaks. */
  readonly security: number;
  readonly what: string;
  readonly text: string;
  /** With which it is refused. */
  readonly code: ErrorCode;
}
