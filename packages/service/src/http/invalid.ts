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

  constructor(issues: readonly RequestIssue[], code: ErrorCode = 'request_invalid') {
    super(code, { detail: issues.map(({ path, message }) => `${path} ${message}`.trim()).join('; ') });
    this.issues = issues;
  }
}

export function requestRefused(message: string, path = ''): RequestRefused {
  return new RequestRefused([{ path, message }]);
}
