import type { DurationMs, EpochMillis } from './clock.ts';
import type { CutOffRow } from './cut-off.ts';
import { NEVER, UNBOUNDED } from './cut-off.ts';

/** Finds rows: synchronously, by (issuer, claim, value), never by a token's text. */
export interface Find {
  /** The claims of the rows of this issuer: the only ones to look up. */
  names(iss: string): Iterable<string>;
  /** The row with this key; undefined: there is none. */
  row(iss: string, claim: string, value: string): CutOffRow | undefined;
}

/** A token whose signature, issuer, audience and times have been verified. */
export interface JudgedToken {
  /** The header's `kid`, and the name of its key where that is another. That of the payload is never used. */
  readonly kid?: string | readonly string[] | undefined;
  /** The claims of the token. */
  readonly payload: Readonly<Record<string, unknown>>;
  /** Claims with a number that JSON parsers read differently (RFC 7493 section 2.2). */
  readonly inexact?: readonly string[] | undefined;
}

/** The options of `judge`. */
export interface JudgeOptions {
  /** How far another issuer's clock may be ahead of the log's, in ms: errs on the strict side. Default 0. */
  readonly skewMs?: DurationMs | undefined;
}

/** What the rows state about a token. */
export type Verdict =
  | { readonly denied: false }
  | {
      readonly denied: true;
      readonly reason: 'revoked';
      readonly cutoff: CutOffRow;
      /** Whether that row ends this token's session too, or only the token. */
      readonly endsSession: boolean;
    }
  /**
   * It cannot be compared with every cut-off that may be about it, so it is refused: no `iss`, no `iat`, or a claim that a cut-off
   * names has a value without one text: see `comparableValues`.
   */
  | { readonly denied: true; readonly reason: 'unjudgeable'; readonly claim: string };

/** Most values of one claim that are looked up. A token with more is refused, never judged in part. */
const MAX_CLAIM_VALUES = 256;

const ACCEPTED: Verdict = { denied: false };

/**
 * When a token counts as issued: its `iat_ms` where that lies within its `iat` second, else the start of that second.
 * `undefined` without a usable `iat` (RFC 7519 section 4.1.6).
 */
export function issuedAt(payload: Readonly<Record<string, unknown>>): EpochMillis | undefined {
  const { iat, iat_ms: iatMs } = payload;
  if (typeof iat !== 'number' || !Number.isFinite(iat)) return undefined;
  const second = Math.floor(iat);
  if (typeof iatMs === 'number' && Number.isSafeInteger(iatMs) && Math.floor(iatMs / 1000) === second) return iatMs;
  return second * 1000;
}

/**
 * The one decision of what is revoked, for guard, introspection, renewal, sockets and administrators alike. Pure. The
 * strictest of the rows that deny is named: one that ends the session before one that does not, then the latest.
 */
export function judge(token: JudgedToken, find: Find, options: JudgeOptions = {}): Verdict {
  const { payload } = token;
  const { iss } = payload;
  if (typeof iss !== 'string') return { denied: true, reason: 'unjudgeable', claim: 'iss' };
  const issued = issuedAt(payload);
  if (issued === undefined) return { denied: true, reason: 'unjudgeable', claim: 'iat' };
  const earliest = issued - (options.skewMs ?? 0);

  let strictest: CutOffRow | undefined;
  for (const claim of find.names(iss)) {
    const held = claim === 'kid' ? token.kid : ownClaim(payload, claim);
    const values = token.inexact?.includes(claim) ? undefined : comparableValues(held);
    if (values === undefined) return { denied: true, reason: 'unjudgeable', claim };
    for (const value of values) {
      const row = find.row(iss, claim, value);
      if (row === undefined || earliest > row.issuedUntil) continue;
      if (strictest === undefined || isStricter(row, strictest, earliest)) strictest = row;
    }
  }
  if (strictest === undefined) return ACCEPTED;
  return { denied: true, reason: 'revoked', cutoff: strictest, endsSession: earliest <= strictest.sessionUntil };
}

function ownClaim(payload: Readonly<Record<string, unknown>>, claim: string): unknown {
  return Object.hasOwn(payload, claim) ? payload[claim] : undefined;
}

const NO_VALUES: readonly string[] = [];

/**
 * The texts of a claim, with which the value of a cut-off is compared, code point by code point and without any normalization
 * (RFC 7519 section 7.3): text as it is, a whole number of at most 2^53 - 1 in decimal digits, `true` and `false`; of a list those of
 * its elements. Undefined where a value has no such text, since a cut-off could be about it and never meet it: an object, null, a list
 * within a list, any other number, or a list of more than 256.
 */
export function comparableValues(held: unknown): readonly string[] | undefined {
  if (held === undefined) return NO_VALUES;
  if (!Array.isArray(held)) {
    const value = comparable(held);
    return value === undefined ? undefined : [value];
  }
  if (held.length > MAX_CLAIM_VALUES) return undefined;
  const values: string[] = [];
  for (const element of held) {
    const value = comparable(element);
    if (value === undefined) return undefined;
    values.push(value);
  }
  return values;
}

function comparable(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  if (typeof value === 'boolean') return String(value);
  const isExact = typeof value === 'number' && Number.isSafeInteger(value) && !Object.is(value, -0);
  return isExact ? String(value) : undefined;
}

function isStricter(row: CutOffRow, than: CutOffRow, issued: EpochMillis): boolean {
  const ends = issued <= row.sessionUntil;
  if (ends !== issued <= than.sessionUntil) return ends;
  return row.issuedUntil > than.issuedUntil;
}

/** A row that denies a token, in the form that operators see. */
export interface DenyingRow extends Omit<CutOffRow, 'issuedUntil' | 'expiresAt' | 'sessionUntil'> {
  /** Whether the session has ended too, or only tokens. */
  readonly endsSession: boolean;
  /** It denies tokens issued up to then, ms. Null: all tokens. */
  readonly issuedUntil: EpochMillis | null;
  /** When it will be forgotten, ms. Null: never. */
  readonly expiresAt: EpochMillis | null;
}

/** @param issued when the token counts as issued, ms: decides whether the row ends its session */
export function toDenyingRow(row: CutOffRow, issued: EpochMillis): DenyingRow {
  const { issuedUntil, expiresAt, sessionUntil, ...named } = row;
  return {
    ...named,
    endsSession: issued <= sessionUntil,
    issuedUntil: issuedUntil === UNBOUNDED ? null : issuedUntil,
    expiresAt: expiresAt === NEVER ? null : expiresAt,
  };
}

/** Returns a `Find` that has only the rows for which `counts` is true. */
export function filterRows(find: Find, counts: (row: CutOffRow) => boolean): Find {
  return {
    names: (iss) => find.names(iss),
    row(iss, claim, value) {
      const row = find.row(iss, claim, value);
      return row !== undefined && counts(row) ? row : undefined;
    },
  };
}

/**
 * Every row that denies a token, the one that the verdict goes by first: it is judged again without those that were named,
 * until none is left.
 * @param judgeBy the judgement, by the rows that count
 */
export function* denyingRows(judgeBy: (counts: (row: CutOffRow) => boolean) => Verdict): Generator<CutOffRow> {
  const named = new Set<string>();
  for (;;) {
    const verdict = judgeBy((row) => !named.has(keyOf(row)));
    if (!verdict.denied || verdict.reason !== 'revoked') return;
    named.add(keyOf(verdict.cutoff));
    yield verdict.cutoff;
  }
}

const keyOf = ({ iss, claim, value }: CutOffRow) => JSON.stringify([iss, claim, value]);
