import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { DurationMs, EpochMillis } from '@rescind/revocation';
import type { Rotation, Session } from '../store/sessions.ts';

import type { StoreReads } from '../store/store.ts';

/** A refresh token: `selector.verifier`. The selector finds the session; only the verifier's hash is kept. */
export interface OpaqueToken {
  readonly selector: string;
  readonly verifier: string;
}

const SELECTOR_BYTES = 16;
/** OWASP ASVS 5.0 section 11.5.1 requires 128 bits from a CSPRNG; twice that costs nothing. */
const VERIFIER_BYTES = 32;
const FORM = /^([A-Za-z0-9_-]{22})\.([A-Za-z0-9_-]{43})$/;

/** @param selector the selector of the session, if it has a refresh token already */
export function createOpaqueToken(selector = randomBytes(SELECTOR_BYTES).toString('base64url')): OpaqueToken {
  return { selector, verifier: randomBytes(VERIFIER_BYTES).toString('base64url') };
}

export function toText({ selector, verifier }: OpaqueToken): string {
  return `${selector}.${verifier}`;
}

function parseOpaqueToken(text: string): OpaqueToken | undefined {
  const [, selector, verifier] = FORM.exec(text) ?? [];
  return selector === undefined || verifier === undefined ? undefined : { selector, verifier };
}

/** A plain SHA-256: the verifier has 256 random bits, so a slow hash would not make it harder to guess. */
export function hashVerifier(verifier: string): Buffer {
  return createHash('sha256').update(verifier).digest();
}

function isSameHash(one: Buffer, other: Buffer): boolean {
  return timingSafeEqual(one, other);
}

/** Enough to recognize a used token: finding another text with these 128 bits is infeasible. */
const DIGEST_BYTES = 16;

/** The part of the hash that is stored of a consumed refresh token. */
function digestOfVerifier(hash: Buffer): Buffer {
  return hash.subarray(0, DIGEST_BYTES);
}

/** The digest that is stored of an access token that was renewed. */
export function digestOfJti(jti: string): Buffer {
  return createHash('sha256').update(jti).digest().subarray(0, DIGEST_BYTES);
}

const PURPOSE = 'rescind refresh successor';

/**
 * Seals the verifier of the successor so that only the holder of the predecessor can read it: a one-time pad, since a token
 * has one successor. The stored hash of the verifier detects a change of it.
 */
function seal(predecessor: OpaqueToken, successor: OpaqueToken): Buffer {
  return xor(Buffer.from(successor.verifier, 'base64url'), padOf(predecessor));
}

function unseal(predecessor: OpaqueToken, selector: string, sealed: Buffer): OpaqueToken {
  return { selector, verifier: xor(sealed, padOf(predecessor)).toString('base64url') };
}

/**
 * The verifier has 256 random bits, so its hash is unpredictable without it. The prefix makes it
 * differ from the stored hash.
 */
function padOf({ selector, verifier }: OpaqueToken): Buffer {
  return createHash('sha256').update(`${PURPOSE}:${selector}:${verifier}`).digest();
}

function xor(one: Buffer, other: Buffer): Buffer {
  return Buffer.from(one.map((byte, at) => byte ^ (other[at] ?? 0)));
}

/** The next refresh token of a session, and the columns of its row. */
export interface NextToken {
  readonly token: OpaqueToken;
  readonly rotation: Rotation;
}

/** The successor of the presented token, which is returned again to a repeated request within the grace. */
export function exchangeFor(presented: OpaqueToken, presentedHash: Buffer, graceMs: DurationMs): NextToken {
  const token = createOpaqueToken(presented.selector);
  return toNext(token, presentedHash, graceMs > 0 ? seal(presented, token) : null);
}

/** Replaces a token that was not presented. The replaced one is refused; a use after the grace counts as theft. */
export function replacementOf(selector: string, replacedHash: Buffer): NextToken {
  return toNext(createOpaqueToken(selector), replacedHash, null);
}

function toNext(token: OpaqueToken, formerHash: Buffer, sealed: Buffer | null): NextToken {
  const nextHash = hashVerifier(token.verifier);
  return { token, rotation: { formerHash, formerDigest: digestOfVerifier(formerHash), nextHash, sealed } };
}

/** A refresh token that was presented, whose verifier is right. */
export interface PresentedToken {
  readonly token: OpaqueToken;
  readonly hash: Buffer;
  readonly session: Session;
  /** `present`: the present token of the session; `used`: a former one. */
  readonly state: 'present' | 'used';
}

/** Compared with an unknown selector, so that the response takes the same time. */
const DUMMY_HASH = hashVerifier('');

/** Finds a presented token, used or not. A token with a wrong verifier is not found, and changes nothing. */
export async function findPresented(
  { sessions }: Pick<StoreReads, 'sessions'>,
  text: string,
): Promise<PresentedToken | undefined> {
  const token = parseOpaqueToken(text);
  if (token === undefined) return undefined;
  const { selector } = token;
  const session = (await sessions.findBySelector(selector)) ?? (await sessions.findByFormerSelector(selector));
  const hash = hashVerifier(token.verifier);
  const isPresent = isSameHash(hash, session?.verifierHash ?? DUMMY_HASH);
  if (session === undefined) return undefined;
  if (isPresent) return { token, hash, session, state: 'present' };
  const isUsed = await sessions.isUsed(session.sid, digestOfVerifier(hash));
  return isUsed ? { token, hash, session, state: 'used' } : undefined;
}

/** The response that a consumed token may still get. */
type Retry =
  | { readonly kind: 'successor'; readonly token: OpaqueToken; readonly isRecovery: boolean }
  /** The token was replaced, not used: the new one was returned to the re-authenticated caller. */
  | { readonly kind: 'replaced' }
  | { readonly kind: 'none' };

/**
 * Whether a token used at `usedAt` may be used again at `at`. A time before its first use, which follows from a clock that was set back,
 * is not within the grace: otherwise a stolen token would count as a retry until the clock has caught up.
 */
export function isWithinGrace(usedAt: EpochMillis, at: EpochMillis, graceMs: DurationMs): boolean {
  return at >= usedAt && at - usedAt <= graceMs;
}

interface RetryPolicy {
  readonly refreshGraceMs: DurationMs;
  readonly refreshRecoveryMs: DurationMs;
}

/**
 * Decides about a used token. The response to a refresh may have been lost: the last token before the present gets the same successor, within the grace or the
 * recovery, while the successor is unused (or the token would not be the last). The time runs from its first use, so retries cannot
 * extend it. A token that was replaced without being presented has the grace alone.
 */
export function retryOf(
  { token, hash, session }: PresentedToken,
  { refreshGraceMs: graceMs, refreshRecoveryMs }: RetryPolicy,
  at: EpochMillis,
): Retry {
  const { formerHash, rotatedAt, sealed, selector } = session;
  if (formerHash === null || rotatedAt === null || selector === null || graceMs === 0) return { kind: 'none' };
  const isRecovery = !isWithinGrace(rotatedAt, at, graceMs);
  if (!isSameHash(hash, formerHash)) return { kind: 'none' };
  if (isRecovery && !isWithinGrace(rotatedAt, at, refreshRecoveryMs)) return { kind: 'none' };
  if (sealed === null) return { kind: isRecovery ? 'none' : 'replaced' };
  const successor = unseal(token, selector, sealed);
  const isWhole = session.verifierHash !== null && isSameHash(hashVerifier(successor.verifier), session.verifierHash);
  return isWhole ? { kind: 'successor', token: successor, isRecovery } : { kind: 'none' };
}

const ID_BYTES = 16;

/** 128 random bits: the name of a session, of a token, of a revocation. */
export function createId(): string {
  return randomBytes(ID_BYTES).toString('base64url');
}
