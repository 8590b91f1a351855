import type { ErrorCode } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';

/** One thing wrong with a request, in words that may be shown to whoever sent it: never the value. */
export interface RequestIssue {
  /** Such as `deviceName`; empty: the request as a whole. */
  readonly path: string;
  readonly message: string;
}

/** A refusal that says what would be right. */
export class RequestRefused extends RescindError {
  readonly issues: readonly RequestIssue[];

  constructor(given: readonly RequestIssue[], code: ErrorCode = 'request_invalid') {
    const issues = given.map(({ path, message }) => ({ path: shortened(path), message: shortened(message) }));
    super(code, { detail: issues.map(({ path, message }) => `${path} ${message}`.trim()).join('; ') });
    this.issues = issues;
  }
}

/** Names come from the sender: a message stays a message. */
function shortened(text: string): string {
  return text.length > 100 ? `${text.slice(0, 100)}…` : text;
}

export function requestRefused(message: string, path = ''): RequestRefused {
  return new RequestRefused([{ path, message }]);
}
