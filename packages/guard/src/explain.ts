import type { View } from '@rescind/feed';
import type { Clock, CutOffRow, DenyingRow, EpochMillis, ErrorCode } from '@rescind/revocation';
import { CLOCK_TOLERANCE_MS, denyingRows, issuedAt, RescindError, toDenyingRow } from '@rescind/revocation';
import { parseCompactJws } from '@rescind/token';
import type { Decider } from './decision.ts';
import { sinceOf } from './revoked.ts';
import type { Claims, JudgedMarks, TrustedIssuer } from './trusted.ts';

/** A row of the denylist that refuses a token. */
export interface RefusingEntry extends DenyingRow {
  /** Since when it refuses, ms; null where neither the revocation's id nor the row says. */
  readonly since: EpochMillis | null;
}

/** Why a token is refused, or that it is not. */
export interface Explanation {
  /** What is wrong with it apart from revocation, as the answer says it, with what the answer leaves out; null: nothing. */
  readonly wrong: { readonly code: ErrorCode; readonly detail: string | null } | null;
  /** Whether a row refuses it. Null: it cannot be known, because its claims are not to be trusted. */
  readonly revoked: boolean | null;
  /** The rows that refuse it, the one that the answer goes by first. */
  readonly entries: readonly RefusingEntry[];
  /** When it counts as issued, ms; null without a usable `iat`. */
  readonly issuedAt: EpochMillis | null;
}

interface ExplainParts {
  readonly decider: Decider;
  readonly view: View;
  readonly clock: Clock;
}

/** Everything about a token but the view and what a route wants. Never throws. */
export function explainToken(text: string, { decider, view, clock }: ExplainParts): Explanation {
  try {
    const trusted = decider.trustedOf(text);
    return explainVerified(text, trusted, Math.max(clock.now(), view.logTime));
  } catch (error) {
    return { ...NOTHING_KNOWN, wrong: wrongOf(error) };
  }
}

function explainVerified(text: string, trusted: TrustedIssuer, at: EpochMillis): Explanation {
  try {
    const token = trusted.verify(text, at);
    const { kid, inexact } = trusted.traced(token);
    return explain(token.payload, { kid, inexact }, trusted);
  } catch (error) {
    if (!(error instanceof RescindError) || error.code !== 'token_key_unknown') throw error;
    return { ...NOTHING_KNOWN, ...explainKey(text, trusted), wrong: wrongOf(error) };
  }
}

/** A key that was revoked is soon no longer published either: then its name, which anybody may write, is all there is. */
function explainKey(text: string, trusted: TrustedIssuer): Pick<Explanation, 'revoked' | 'entries'> {
  const { kid } = parseCompactJws(text, { maxBytes: text.length }).header;
  const verdict = trusted.judgeClaims(
    { iss: trusted.settings.issuer, iat: ANY_TIME_S },
    { kid },
    ({ claim }) => claim === 'kid',
  );
  if (!verdict.denied || verdict.why !== 'revoked') return { revoked: null, entries: [] };
  return { revoked: true, entries: [toEntry(verdict.cutoff, ANY_TIME_S * 1000)] };
}

/**
 * The rows that refuse whoever has these claims: whole ones of a token, or some, such as `{ iss, sub, iat }`. Without `iat`
 * every row that is about them is named, whatever its time.
 */
export function explainClaims(claims: Claims, trusted: ReadonlyMap<string, TrustedIssuer>): Explanation {
  const [first] = trusted.values();
  const { iss = first?.settings.issuer } = claims;
  const one = typeof iss === 'string' ? trusted.get(iss) : undefined;
  if (one === undefined) return { ...NOTHING_KNOWN, wrong: { code: 'token_issuer_unknown', detail: null } };
  const { kid } = claims;
  try {
    const explained = explain({ iat: ANY_TIME_S, ...claims, iss }, typeof kid === 'string' ? { kid } : {}, one);
    return claims.iat === undefined ? { ...explained, issuedAt: null } : explained;
  } catch (error) {
    return { ...NOTHING_KNOWN, wrong: wrongOf(error) };
  }
}

/** Before every cut-off, and after every row's "never" by whatever skew. */
const ANY_TIME_S = CLOCK_TOLERANCE_MS / 1000;

const NOTHING_KNOWN = { revoked: null, entries: [], issuedAt: null } as const;

function explain(claims: Claims, marks: JudgedMarks, trusted: TrustedIssuer): Explanation {
  const verdict = trusted.judgeClaims(claims, marks);
  const at = issuedAt(claims) ?? null;
  if (verdict.denied && verdict.why === 'unjudgeable') {
    return { wrong: { code: 'token_unjudgeable', detail: verdict.claim }, revoked: null, entries: [], issuedAt: at };
  }
  const entries = [...denyingRows((counts) => trusted.judgeClaims(claims, marks, counts))];
  const earliest = (at ?? 0) - trusted.settings.skewMs;
  return { wrong: null, revoked: verdict.denied, entries: entries.map((row) => toEntry(row, earliest)), issuedAt: at };
}

const toEntry = (row: CutOffRow, earliest: EpochMillis): RefusingEntry => ({
  ...toDenyingRow(row, earliest),
  since: sinceOf(row),
});

function wrongOf(error: unknown): NonNullable<Explanation['wrong']> {
  if (error instanceof RescindError) return { code: error.code, detail: error.detail ?? null };
  return { code: 'internal', detail: error instanceof Error ? error.message : null };
}
