import type { EpochMillis } from '@rescind/revocation';
import { judge, RescindError } from '@rescind/revocation';
import type { KeySet, VerifiedToken, Verifier } from '@rescind/token';
import { createVerifier } from '@rescind/token';
import { verifyOptions } from './call-options.ts';
import { fetchCutoffs } from './cutoffs.ts';
import type { Issuer } from './issuer.ts';
import { ACCESS_TOKEN_TYPE } from './session/mint.ts';
import type { RevocationReads } from './store/log.ts';

interface AccessVerifierOptions {
  /** Of any audience. */
  readonly accepting: Verifier;
  readonly issuer: string;
  readonly keys: Pick<KeySet, 'find'>;
  readonly revocations: RevocationReads;
  readonly now: () => EpochMillis;
}

/** RFC 9068 section 2.2, and what our cut-offs are compared with. */
export const REQUIRED_CLAIMS = ['sub', 'client_id', 'jti', 'sid', 'iat', 'iat_ms'];
/** More are not kept: a host has a handful of audiences. */
const MAX_VERIFIERS = 64;

/** Verifies the issuer's own access tokens against its own rows. */
export function createAccessVerifier({
  accepting,
  issuer,
  keys,
  revocations,
  now,
}: AccessVerifierOptions): Issuer['verify'] {
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

  return async (accessToken, options = {}): Promise<VerifiedToken> => {
    const { audience } = verifyOptions(options);
    const token = (audience === undefined ? accepting : verifierFor(audience)).verify(accessToken, now());
    await refuseDenied(token, revocations);
    return token;
  };
}

/** @throws RescindError `token_revoked`, `token_unjudgeable` */
export async function refuseDenied(
  { header, payload, inexact }: VerifiedToken,
  revocations: RevocationReads,
): Promise<void> {
  const token = { kid: header.kid, payload, inexact };
  const verdict = judge(token, await fetchCutoffs(revocations, token));
  if (!verdict.denied) return;
  throw verdict.why === 'revoked'
    ? new RescindError('token_revoked', { detail: verdict.cutoff.reason })
    : new RescindError('token_unjudgeable', { detail: verdict.claim });
}
