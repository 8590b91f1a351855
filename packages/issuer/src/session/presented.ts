import type { DurationMs, EpochMillis } from '@rescind/revocation';
import type { Session } from '../store/sessions.ts';
import type { StoreReads } from '../store/store.ts';
import type { OpaqueToken } from './opaque.ts';
import { digestOfVerifier, hashVerifier, isSameHash, parseOpaqueToken, unseal } from './opaque.ts';

/** A refresh token that was presented, whose verifier is right. */
export interface PresentedToken {
  readonly token: OpaqueToken;
  readonly hash: Buffer;
  readonly session: Session;
  /** `present`: its session's; `spent`: one of those before. */
  readonly state: 'present' | 'spent';
}

/** Compared with when there is no such selector, so that the answer takes as long. */
const NOBODYS_HASH = hashVerifier('');

/** The token, if it is one of ours, spent or not. Half a token finds nothing and harms nothing. */
export async function findPresented(
  { sessions }: Pick<StoreReads, 'sessions'>,
  text: string,
): Promise<PresentedToken | undefined> {
  const token = parseOpaqueToken(text);
  if (token === undefined) return undefined;
  const { selector } = token;
  const session = (await sessions.findBySelector(selector)) ?? (await sessions.findByFormerSelector(selector));
  const hash = hashVerifier(token.verifier);
  const isPresent = isSameHash(hash, session?.verifierHash ?? NOBODYS_HASH);
  if (session === undefined) return undefined;
  if (isPresent) return { token, hash, session, state: 'present' };
  const isSpent = await sessions.isSpent(session.sid, digestOfVerifier(hash));
  return isSpent ? { token, hash, session, state: 'spent' } : undefined;
}

/** What a spent token may still get. */
export type Retry =
  | { readonly kind: 'successor'; readonly token: OpaqueToken }
  /** It was replaced, not used: what took its place went to whoever proved who they are. */
  | { readonly kind: 'replaced' }
  | { readonly kind: 'none' };

/**
 * Whether a token used at `usedAt` may be used again at `at`. A time before its first use, which a clock that was set back
 * shows, is no time within the grace: a stolen token would count as a retry until the clock has caught up.
 */
export function isWithinGrace(usedAt: EpochMillis, at: EpochMillis, graceMs: DurationMs): boolean {
  return at >= usedAt && at - usedAt <= graceMs;
}

/**
 * The answer to a refresh may have been lost: the last token before the present gets the same successor, within the grace,
 * while nobody has used that (or it would not be the last). The time runs from its first use, so it cannot be walked forward.
 */
export function retryOf({ token, hash, session }: PresentedToken, graceMs: DurationMs, at: EpochMillis): Retry {
  const { formerHash, rotatedAt, sealed, selector } = session;
  if (formerHash === null || rotatedAt === null || selector === null || graceMs === 0) return { kind: 'none' };
  if (!isSameHash(hash, formerHash) || !isWithinGrace(rotatedAt, at, graceMs)) return { kind: 'none' };
  if (sealed === null) return { kind: 'replaced' };
  const successor = unseal(token, selector, sealed);
  const isWhole = session.verifierHash !== null && isSameHash(hashVerifier(successor.verifier), session.verifierHash);
  return isWhole ? { kind: 'successor', token: successor } : { kind: 'none' };
}
