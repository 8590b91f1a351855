import type { EpochMillis, JudgedToken } from '@rescind/revocation';
import { findOnly, issuedAt, judge, RescindError, refusingRows, toRefusingRow } from '@rescind/revocation';
import type { Verifier } from '@rescind/token';
import { explainQuestion } from './call-options.ts';
import { fetchCutoffs } from './cutoffs.ts';
import type { ExplainQuestion, Explanation } from './issuer-revocations.ts';
import type { RevocationReads } from './store/log.ts';

interface ExplainerOptions {
  readonly issuer: string;
  /** Gate, signature and claims, without the rows. */
  readonly verifier: Verifier;
  readonly revocations: RevocationReads;
  readonly now: () => EpochMillis;
}

/** Explains by the issuer's own rows. Reads only, and throws only what is no RescindError. */
export function createExplainer({ issuer, verifier, revocations, now }: ExplainerOptions) {
  return async (given: ExplainQuestion): Promise<Explanation> => {
    const question = explainQuestion(given);
    try {
      if ('token' in question) {
        const { header, payload, inexact } = verifier.verify(question.token, now());
        return { ...(await explain({ kid: header.kid, payload, inexact }, revocations)), claims: payload };
      }
      const { claims, kid } = question;
      // Without a time every row that is about it is named.
      const explained = await explain({ kid, payload: { iat: 0, iss: issuer, ...claims } }, revocations);
      return claims.iat === undefined ? { ...explained, issuedAt: null } : explained;
    } catch (error) {
      if (!(error instanceof RescindError)) throw error;
      return { ...NOTHING_KNOWN, wrong: { code: error.code, detail: error.detail ?? null } };
    }
  };
}

const NOTHING_KNOWN = { revoked: null, entries: [], issuedAt: null, claims: null } as const;

async function explain(token: JudgedToken, revocations: RevocationReads): Promise<Explanation> {
  const find = await fetchCutoffs(revocations, token);
  const verdict = judge(token, find);
  const at = issuedAt(token.payload) ?? null;
  if (verdict.denied && verdict.why === 'unjudgeable') {
    return { ...NOTHING_KNOWN, wrong: { code: 'token_unjudgeable', detail: verdict.claim }, issuedAt: at };
  }
  const refusing = refusingRows((counts) => judge(token, findOnly(find, counts)));
  const entries = [...refusing].map((row) => toRefusingRow(row, at ?? 0));
  return { wrong: null, revoked: verdict.denied, entries, issuedAt: at, claims: null };
}
