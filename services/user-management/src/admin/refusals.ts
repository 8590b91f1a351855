import type { ErrorCode } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import { basicChallenge, bearerChallenge } from '@rescind/revocation/http';

/** A refusal with the challenge that says how to do better. */
class ChallengedError extends RescindError {
  readonly headers: Readonly<Record<string, string>>;

  constructor(code: ErrorCode, challenge: string) {
    super(code);
    this.headers = { 'WWW-Authenticate': challenge };
  }
}

const BASIC = basicChallenge('rescind admin');

/** No credentials: both schemes are named (RFC 9110 section 11.6.1), and no error code (RFC 6750 section 3.1). */
export const missingCredentials = () => new ChallengedError('token_missing', `${BASIC}, Bearer`);

/** RFC 7617 section 2. */
export const operatorWrong = () => new ChallengedError('operator_invalid', BASIC);

/** RFC 6750 section 3.1. */
export const scopeMissing = (needed: readonly string[]) =>
  new ChallengedError(
    'scope_insufficient',
    bearerChallenge(new RescindError('scope_insufficient'), { scopes: needed }) ?? 'Bearer',
  );
