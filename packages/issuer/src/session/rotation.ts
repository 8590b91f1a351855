import type { DurationMs } from '@rescind/revocation';
import type { Rotation } from '../store/sessions.ts';
import type { OpaqueToken } from './opaque.ts';
import { createOpaqueToken, digestOfVerifier, hashVerifier, seal } from './opaque.ts';

/** The next refresh token of a session, and what its row is to say of it. */
export interface NextToken {
  readonly token: OpaqueToken;
  readonly rotation: Rotation;
}

/** In exchange for the one presented, which may ask again for as long as the grace. */
export function exchangeFor(presented: OpaqueToken, presentedHash: Buffer, graceMs: DurationMs): NextToken {
  const token = createOpaqueToken(presented.selector);
  return toNext(token, presentedHash, graceMs > 0 ? seal(presented, token) : null);
}

/** In place of one that nobody presented: it is refused, and used again after the grace it is taken for stolen. */
export function replacementOf(selector: string, replacedHash: Buffer): NextToken {
  return toNext(createOpaqueToken(selector), replacedHash, null);
}

function toNext(token: OpaqueToken, formerHash: Buffer, sealed: Buffer | null): NextToken {
  const nextHash = hashVerifier(token.verifier);
  return { token, rotation: { formerHash, formerDigest: digestOfVerifier(formerHash), nextHash, sealed } };
}
