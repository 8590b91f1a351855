import type { Cutoff, EpochMillis, ErrorCode, Find, JudgedToken } from '@rescind/revocation';
import { issuedAt, judge, NEVER, RescindError, UNBOUNDED } from '@rescind/revocation';
import type { Verifier } from '@rescind/token';

/** A token's text, or what would be in one: whole claims, or some, such as `{ sub, iat }`. `iss` defaults to this issuer. */
export type ExplainQuestion =
  | { readonly token: string }
  | { readonly claims: Readonly<Record<string, unknown>>; readonly kid?: string };

/** A row of the issuer that refuses a token. */
export interface RefusingEntry {
  readonly iss: string;
  readonly claim: string;
  readonly value: string;
  /** The revocation: its id, why it was made, and its place in the log. */
  readonly txn: string;
  readonly reason: string;
  readonly epoch: string;
  readonly seq: number;
  /** Whether the session has ended too, or only tokens. */
  readonly endsSession: boolean;
  /** It refuses what was issued up to then: the time of the revocation, in ms. Null: whatever was issued. */
  readonly issuedUntil: EpochMillis | null;
  /** When it will be forgotten. Null: never. */
  readonly expiresAt: EpochMillis | null;
}

/** Why a token is refused, or that it is not. */
export interface Explanation {
  /** What is wrong with it apart from revocation; null: nothing. */
  readonly wrong: { readonly code: ErrorCode; readonly detail: string | null } | null;
  /** Whether a row refuses it. Null: it cannot be known, because its claims are not to be trusted. */
  readonly revoked: boolean | null;
  /** The rows that refuse it, the one that the answer goes by first. */
  readonly entries: readonly RefusingEntry[];
  /** When it counts as issued, ms; null without a usable `iat`. */
  readonly issuedAt: EpochMillis | null;
  /** The claims of a token that this issuer signed; null otherwise. */
  readonly claims: Readonly<Record<string, unknown>> | null;
}

interface ExplainerOptions {
  readonly issuer: string;
  /** Gate, signature and claims, without the rows. */
  readonly verifier: Verifier;
  readonly find: Find;
  readonly now: () => EpochMillis;
}

/** Explains by the issuer's own rows. Reads only, and throws only what is no RescindError. */
export function createExplainer({ issuer, verifier, find, now }: ExplainerOptions) {
  return (question: ExplainQuestion): Explanation => {
    try {
      if ('token' in question) {
        const { header, payload } = verifier.verify(question.token, now());
        return { ...explain({ kid: header.kid, payload }, find), claims: payload };
      }
      const { claims, kid } = question;
      // Without a time every row that is about it is named.
      const explained = explain({ kid, payload: { iat: 0, iss: issuer, ...claims } }, find);
      return claims.iat === undefined ? { ...explained, issuedAt: null } : explained;
    } catch (error) {
      if (!(error instanceof RescindError)) throw error;
      return { ...NOTHING_KNOWN, wrong: { code: error.code, detail: error.detail ?? null } };
    }
  };
}

const NOTHING_KNOWN = { revoked: null, entries: [], issuedAt: null, claims: null } as const;

function explain(token: JudgedToken, find: Find): Explanation {
  const verdict = judge(token, find);
  const at = issuedAt(token.payload) ?? null;
  if (verdict.denied && verdict.why === 'unjudgeable') {
    return { ...NOTHING_KNOWN, wrong: { code: 'token_claim_wrong', detail: verdict.claim }, issuedAt: at };
  }
  const entries = [...refusing(token, find)].map((row) => toEntry(row, at ?? 0));
  return { wrong: null, revoked: verdict.denied, entries, issuedAt: at, claims: null };
}

/** Judges again without the rows that were named, until none is left. */
function* refusing(token: JudgedToken, find: Find): Generator<Cutoff> {
  const named = new Set<string>();
  const rest: Find = {
    names: (iss) => find.names(iss),
    row: (...key) => (named.has(JSON.stringify(key)) ? undefined : find.row(...key)),
  };
  for (;;) {
    const verdict = judge(token, rest);
    if (!verdict.denied || verdict.why !== 'revoked') return;
    const { iss, claim, value } = verdict.cutoff;
    named.add(JSON.stringify([iss, claim, value]));
    yield verdict.cutoff;
  }
}

function toEntry(row: Cutoff, issued: EpochMillis): RefusingEntry {
  const { iss, claim, value, txn, reason, epoch, seq, issuedUntil, expiresAt, sessionUntil } = row;
  return {
    ...{ iss, claim, value, txn, reason, epoch, seq },
    endsSession: issued <= sessionUntil,
    issuedUntil: issuedUntil === UNBOUNDED ? null : issuedUntil,
    expiresAt: expiresAt === NEVER ? null : expiresAt,
  };
}
