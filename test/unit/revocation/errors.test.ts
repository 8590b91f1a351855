import { globSync, readFileSync } from 'node:fs';
import {
  CREDENTIAL_REFUSALS,
  DECISION_REFUSALS,
  ERRORS,
  METRICS,
  RescindError,
  TOKEN_REFUSALS,
} from '@rescind/revocation';
import { expect, test } from 'vitest';

const text = readFileSync(new URL('../../../docs/errors.md', import.meta.url), 'utf8');

/** The lines of the table: code, status, OAuth error, meaning, what to do. */
const lines = text
  .split('\n')
  .filter((line) => line.startsWith('| `'))
  .map((line) =>
    line
      .slice(1, -1)
      .split('|')
      .map((cell) => cell.trim()),
  );

test('docs/errors.md has each error, in order, as the code has it', () => {
  const written = lines.map(([code, status, oauth, meaning]) => ({ code, status, oauth, meaning }));
  const expected = Object.entries(ERRORS).map(([code, entry]) => ({
    code: `\`${code}\``,
    status: String(entry.status),
    oauth: 'oauth' in entry ? `\`${entry.oauth}\`` : '',
    meaning: entry.message,
  }));
  expect(written).toEqual(expected);
});

test('docs/errors.md says for each what to do', () => {
  for (const cells of lines) {
    expect(cells, cells[0]).toHaveLength(5);
    expect(cells[4]?.length, cells[0]).toBeGreaterThan(10);
  }
});

test('an error has what its code has', () => {
  const error = new RescindError('view_stale', { detail: '301 s', retryAfter: 5, cause: 'why' });
  expect(error).toBeInstanceOf(Error);
  expect(error).toMatchObject({ name: 'RescindError', code: 'view_stale', status: 503, retryAfter: 5, cause: 'why' });
  expect(error.message).toBe(`${ERRORS.view_stale.message}: 301 s`);
  expect(new RescindError('token_revoked')).toMatchObject({ status: 401, oauth: 'invalid_token' });
});

/** Every code that stands as text in the sources of a package. */
function codesIn(room: string): Set<string> {
  const paths = globSync(new URL(`../../../packages/${room}/src/**/*.ts`, import.meta.url).pathname);
  expect(paths.length).toBeGreaterThan(5);
  const texts = paths.flatMap((path) => [...readFileSync(path, 'utf8').matchAll(/'(\w+)'/g)].map(([, text]) => text));
  return new Set(texts.filter((text): text is string => text !== undefined && Object.hasOwn(ERRORS, text)));
}

test('the lists of refusals name every code that guard and verifier answer, and no other', () => {
  const written = new Set([...codesIn('guard'), ...codesIn('token')]);
  // The result of an introspection has this name, too; no request is answered with it.
  written.delete('busy');
  expect([...written].sort()).toEqual([...CREDENTIAL_REFUSALS, ...DECISION_REFUSALS].sort());
});

test('a decision is counted under its code', () => {
  const { result } = METRICS.rescind_decisions_total.labels;
  expect(result.filter((value) => !value.startsWith('accepted'))).toEqual([...DECISION_REFUSALS]);
});

test('an operation with an access token documents what verifier and judgement refuse', () => {
  const verified = [...codesIn('token')].filter((code) => code.startsWith('token_'));
  const judged = ['token_revoked', 'token_unjudgeable', 'token_sender_constrained'];
  expect([...verified, ...judged].sort()).toEqual([...TOKEN_REFUSALS].sort());
});
