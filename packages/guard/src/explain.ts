import type { View } from '@rescind/feed/follower';
import type { Clock, EpochMillis, ErrorCode } from '@rescind/revocation';
import { CLOCK_TOLERANCE_MS, RescindError } from '@rescind/revocation';
import type { CutOffRow } from '@rescind/revocation/cut-off';
import type { DenyingRow } from '@rescind/revocation/judge';
import { denyingRows, issuedAt, toDenyingRow } from '@rescind/revocation/judge';
import { parseCompactJws } from '@rescind/token';
import type { Decider } from './decision.ts';
import { sinceOf } from './decision.ts';
import type { Claims, JudgedMarks, TrustedIssuer } from './trusted-issuer.ts';

/** A row of the denylist that denies a token. */
interface RefusingEntry extends DenyingRow {
  /** The time of the revocation, ms; null if neither its id nor the row has it. */
  readonly since: EpochMillis | null;
}

/** Why the guard refuses a token, or that it does not. */
export interface Explanation {
  /** Why the token is refused other than by a row: the code of the response, and the detail that the response omits. Null: it is not. */
  readonly error: { readonly code: ErrorCode; readonly detail: string | null } | null;
  /** Whether a row denies the token. Null: unknown, because its claims are not verified. */
  readonly revoked: boolean | null;
  /** The rows that deny it. The first one decides the response. */
  readonly entries: readonly RefusingEntry[];
  /** The time at which it was issued, ms; null without a usable `iat`. */
  readonly issuedAt: EpochMillis | null;
}

interface ExplainParts {
  readonly decider: Decider;
  readonly view: View;
  readonly clock: Clock;
}

/** Checks everything about a token but the view and the requirements of a route. Never throws. */
export function explainToken(text: string, { decider, view, clock }: ExplainParts): Explanation {
  try {
    const trusted = decider.trustedOf(text);
    return explainVerified(text, trusted, Math.max(clock.now(), view.logTime));
  } catch (error) {
    return { ...NOTHING_KNOWN, error: errorOf(error) };
  }
}

function explainVerified(text: string, trusted: TrustedIssuer, at: EpochMillis): Explanation {
  try {
    const token = trusted.verify(text, at);
    const { kid, inexact } = trusted.toIndexed(token);
    return explain(token.payload, { kid, inexact }, trusted);
  } catch (error) {
    if (!(error instanceof RescindError) || error.code !== 'token_key_unknown') throw error;
    return { ...NOTHING_KNOWN, ...explainKey(text, trusted), error: errorOf(error) };
  }
}

/** A revoked key is no longer published, so its name is all that can be compared, without a verified signature. */
function explainKey(text: string, trusted: TrustedIssuer): Pick<Explanation, 'revoked' | 'entries'> {
  const { kid } = parseCompactJws(text, { maxBytes: text.length }).header;
  const verdict = trusted.judgeClaims(
    { iss: trusted.settings.issuer, iat: ANY_TIME_S },
    { kid },
    ({ claim }) => claim === 'kid',
  );
  if (!verdict.denied || verdict.reason !== 'revoked') return { revoked: null, entries: [] };
  return { revoked: true, entries: [toEntry(verdict.cutoff, ANY_TIME_S * 1000)] };
}

/**
 * Returns the rows that deny a token with these claims: all claims of a token, or some, such as `{ iss, sub, iat }`. Without `iat` it
 * returns every row about them, whatever its time.
 */
export function explainClaims(claims: Claims, trusted: ReadonlyMap<string, TrustedIssuer>): Explanation {
  const [first] = trusted.values();
  const { iss = first?.settings.issuer } = claims;
  const one = typeof iss === 'string' ? trusted.get(iss) : undefined;
  if (one === undefined) return { ...NOTHING_KNOWN, error: { code: 'token_issuer_unknown', detail: null } };
  const { kid } = claims;
  try {
    const explained = explain({ iat: ANY_TIME_S, ...claims, iss }, typeof kid === 'string' ? { kid } : {}, one);
    return claims.iat === undefined ? { ...explained, issuedAt: null } : explained;
  } catch (error) {
    return { ...NOTHING_KNOWN, error: errorOf(error) };
  }
}

/** Before every cut-off, and after every row's "never" by whatever skew. */
const ANY_TIME_S = CLOCK_TOLERANCE_MS / 1000;

const NOTHING_KNOWN = { revoked: null, entries: [], issuedAt: null } as const;

function explain(claims: Claims, marks: JudgedMarks, trusted: TrustedIssuer): Explanation {
  const verdict = trusted.judgeClaims(claims, marks);
  const at = issuedAt(claims) ?? null;
  if (verdict.denied && verdict.reason === 'unjudgeable') {
    return { error: { code: 'token_unjudgeable', detail: verdict.claim }, revoked: null, entries: [], issuedAt: at };
  }
  const entries = [...denyingRows((counts) => trusted.judgeClaims(claims, marks, counts))];
  const earliest = (at ?? 0) - trusted.settings.skewMs;
  return { error: null, revoked: verdict.denied, entries: entries.map((row) => toEntry(row, earliest)), issuedAt: at };
}

const toEntry = (row: CutOffRow, earliest: EpochMillis): RefusingEntry => ({
  ...toDenyingRow(row, earliest),
  since: sinceOf(row),
});

function errorOf(error: unknown): NonNullable<Explanation['error']> {
  if (error instanceof RescindError) return { code: error.code, detail: error.detail ?? null };
  return { code: 'internal', detail: error instanceof Error ? error.message : null };
}
