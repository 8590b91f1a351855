import { globSync, readFileSync } from 'node:fs';
import '@rescind/accounts';
import '@rescind/console';
import '@rescind/denylist';
import '@rescind/feed-kafka';
import '@rescind/issuer-sqlite';
import '@rescind/user-management';
import { RescindError } from '@rescind/revocation';
import {
  CREDENTIAL_REFUSALS,
  DECISION_REFUSALS,
  ERRORS,
  errorsByOwner,
  registerErrors,
  TOKEN_REFUSALS,
} from '@rescind/revocation/errors';
import { METRICS } from '@rescind/revocation/metrics';
import { expect, test } from 'vitest';

const text = readFileSync(new URL('../../../docs/errors.md', import.meta.url), 'utf8');

/** The lines of a table: code, status, OAuth error, meaning, what to do. */
const linesOf = (section: string) =>
  section
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .map((line) =>
      line
        .slice(1, -1)
        .split('|')
        .map((cell) => cell.trim()),
    );
const lines = linesOf(text);

test('docs/errors.md lists the errors of each package as the code defines them', () => {
  const sections = text.split(/^## /m).slice(1);
  const written = sections.map((section) => [
    section.split('\n')[0],
    linesOf(section).map(([code, status, oauth, meaning]) => ({ code, status, oauth, meaning })),
  ]);
  const expected = [...errorsByOwner()].map(([owner, errors]) => [
    owner,
    Object.entries(errors).map(([code, { status, oauth, message }]) => ({
      code: `\`${code}\``,
      status: String(status),
      oauth: oauth === undefined ? '' : `\`${oauth}\``,
      meaning: message,
    })),
  ]);
  expect(Object.fromEntries(written)).toEqual(Object.fromEntries(expected));
  expect(lines.map(([code]) => code).sort()).toEqual(
    Object.keys(ERRORS)
      .map((code) => `\`${code}\``)
      .sort(),
  );
});

test('docs/errors.md has an action for each error', () => {
  for (const cells of lines) {
    expect(cells, cells[0]).toHaveLength(5);
    expect(cells[4]?.length, cells[0]).toBeGreaterThan(10);
  }
});

test('an error has the status and message of its code', () => {
  const error = new RescindError('view_stale', { detail: '301 s', retryAfter: 5, cause: 'why' });
  expect(error).toBeInstanceOf(Error);
  expect(error).toMatchObject({ name: 'RescindError', code: 'view_stale', status: 503, retryAfter: 5, cause: 'why' });
  expect(error.message).toBe(`${ERRORS.view_stale.message}: 301 s`);
  expect(new RescindError('token_revoked')).toMatchObject({ status: 401, oauth: 'invalid_token' });
});

test('a code belongs to one package', () => {
  const error = { status: 409, message: 'This name is taken' };
  expect(() => registerErrors('a host', { username_taken: error })).toThrow(
    new TypeError('the error code username_taken of a host is one of @rescind/accounts already'),
  );
});

test('a second copy of a package changes no code of the first', () => {
  const before = { ...ERRORS };
  const again = { username_taken: { status: 500, message: 'Another text' } };
  expect(registerErrors('@rescind/accounts', again)).toBe(again);
  expect(ERRORS).toEqual(before);
});

test.each([
  ['a code that is no word', { 'Name-taken': { status: 409, message: 'taken' } }, 'must be a word'],
  ['a status that is none of an error', { a_new_code: { status: 200, message: 'fine' } }, 'a status of 400 to 599'],
  ['no message', { a_new_code: { status: 400, message: '' } }, 'and a message'],
])('%s is not registered', (_what, errors, message) => {
  expect(() => registerErrors('a host', errors)).toThrow(message);
  for (const code of Object.keys(errors)) expect(ERRORS).not.toHaveProperty(code);
});

test('an error with an unregistered code is a TypeError', () => {
  expect(() => new RescindError('no_such_code' as 'internal')).toThrow(TypeError);
});

/** A package and everything that it depends on, by name. */
function withDependencies(folder: string): Set<string> {
  const { name, dependencies = {} } = JSON.parse(
    readFileSync(new URL(`../../../${folder}/package.json`, import.meta.url), 'utf8'),
  ) as { name: string; dependencies?: Record<string, string> };
  const own = Object.keys(dependencies).filter((one) => one.startsWith('@rescind/'));
  return new Set([name, ...own.flatMap((one) => [...withDependencies(`packages/${one.slice('@rescind/'.length)}`)])]);
}

test.each(globSync(['packages/*', 'services/*'], { cwd: new URL('../../..', import.meta.url).pathname }))(
  '%s throws codes of its own and of what it depends on only: they are registered wherever it runs',
  (folder) => {
    const paths = globSync(new URL(`../../../${folder}/src/**/*.ts`, import.meta.url).pathname);
    const thrown = paths.flatMap((path) => [
      ...readFileSync(path, 'utf8').matchAll(/new (?:RescindError|RequestRefused)\([^;]*?'(\w+)'/g),
    ]);
    const codes = new Set(thrown.map(([, code = '']) => code).filter((code) => Object.hasOwn(ERRORS, code)));
    const known = withDependencies(folder);
    const ownerOf = (code: string) => [...errorsByOwner()].find(([, errors]) => Object.hasOwn(errors, code))?.[0] ?? '';
    expect([...codes].filter((code) => !known.has(ownerOf(code)))).toEqual([]);
  },
);

test('the base package knows no password and no second factor', () => {
  const codes = Object.keys(errorsByOwner().get('@rescind/revocation') ?? {});
  expect(codes.length).toBeGreaterThan(20);
  expect(codes.filter((code) => /password|factor|totp|recovery|username|link|operator/.test(code))).toEqual([]);
});

/** Every code that stands as text in the sources of a package. */
function codesIn(room: string): Set<string> {
  const paths = globSync(new URL(`../../../packages/${room}/src/**/*.ts`, import.meta.url).pathname);
  expect(paths.length).toBeGreaterThan(5);
  const texts = paths.flatMap((path) => [...readFileSync(path, 'utf8').matchAll(/'(\w+)'/g)].map(([, text]) => text));
  return new Set(texts.filter((text): text is string => text !== undefined && Object.hasOwn(ERRORS, text)));
}

test('the lists of refusals have exactly the codes that guard and verifier return', () => {
  // `readBearer` of @rescind/revocation/http refuses requests with this code.
  const written = new Set([...codesIn('guard'), ...codesIn('token'), 'request_invalid']);
  // The result of an introspection has this name, too; no request is answered with it.
  written.delete('busy');
  // Thrown when a guard is opened; no request is answered with it.
  written.delete('denylist_locked');
  // A live connection ends with these; no request is answered with them.
  for (const code of ['rate_limited', 'session_ended']) written.delete(code);
  expect([...written].sort()).toEqual([...CREDENTIAL_REFUSALS, ...DECISION_REFUSALS].sort());
});

test('a decision is counted under its code', () => {
  const { result } = METRICS.rescind_decisions_total.labels;
  expect(result.filter((value) => !value.startsWith('accepted'))).toEqual([...DECISION_REFUSALS]);
});

test('an operation with an access token documents the refusals of verifier and judge', () => {
  const verified = [...codesIn('token')].filter((code) => code.startsWith('token_'));
  const judged = ['token_revoked', 'token_unjudgeable', 'token_sender_constrained'];
  expect([...verified, ...judged].sort()).toEqual([...TOKEN_REFUSALS].sort());
});
