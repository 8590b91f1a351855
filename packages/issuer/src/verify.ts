import type { EpochMillis, Find } from '@rescind/revocation';
import { judge, RescindError } from '@rescind/revocation';
import type { KeySet, VerifiedToken, Verifier } from '@rescind/token';
import { createVerifier } from '@rescind/token';
import type { Issuer } from './issuer.ts';
import { ACCESS_TOKEN_TYPE } from './session/mint.ts';

interface AccessVerifierOptions {
  /** Of any audience. */
  readonly accepting: Verifier;
  readonly issuer: string;
  readonly keys: Pick<KeySet, 'find'>;
  readonly find: Find;
  readonly now: () => EpochMillis;
}

/** RFC 9068 section 2.2, and what our cut-offs are compared with. */
export const REQUIRED_CLAIMS = ['sub', 'client_id', 'jti', 'sid', 'iat', 'iat_ms'];
/** More are not kept: a host has a handful of audiences. */
const MAX_VERIFIERS = 64;

/** Verifies the issuer's own access tokens against its own rows. */
export function createAccessVerifier({ accepting, issuer, keys, find, now }: AccessVerifierOptions): Issuer['verify'] {
  const verifiers = new Map<string, Verifier>();

  function verifierFor(audience: string): Verifier {
    const known = verifiers.get(audience);
    if (known !== undefined) return known;
    const verifier = createVerifier({
      keys,
      issuer,
      audience,
      typ: [ACCESS_TOKEN_TYPE],
      requiredClaims: REQUIRED_CLAIMS,
    });
    if (verifiers.size < MAX_VERIFIERS) verifiers.set(audience, verifier);
    return verifier;
  }

  return (accessToken, { audience } = {}): VerifiedToken => {
    const token = (audience === undefined ? accepting : verifierFor(audience)).verify(accessToken, now());
    refuseDenied(token, find);
    return token;
  };
}

/** @throws RescindError `token_revoked`, `token_unjudgeable` */
export function refuseDenied({ header, payload, inexact }: VerifiedToken, find: Find): void {
  const verdict = judge({ kid: header.kid, payload, inexact }, find);
  if (!verdict.denied) return;
  throw verdict.why === 'revoked'
    ? new RescindError('token_revoked', { detail: verdict.cutoff.reason })
    : new RescindError('token_unjudgeable', { detail: verdict.claim });
}
