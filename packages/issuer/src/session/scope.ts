import { RescindError } from '@rescind/revocation';

/** RFC 6749 section 3.3: `scope-token`s, each once, in their order. */
export function parseScope(text: string): string[] {
  return [...new Set(text.split(' ').filter((token) => token !== ''))];
}

/** What is asked, if all of it is allowed. @throws RescindError `scope_invalid` */
export function requireWithin(asked: string, allowed: readonly string[]): string[] {
  const tokens = parseScope(asked);
  if (tokens.every((token) => allowed.includes(token))) return tokens;
  throw new RescindError('scope_invalid');
}

/**
 * What a session may have now: what was asked at the login (null: everything) and the subject still has. A role that
 * was taken away narrows it without an error.
 */
export function presentScope(asked: string | null, subjectScope: readonly string[]): string[] {
  return asked === null ? [...subjectScope] : parseScope(asked).filter((token) => subjectScope.includes(token));
}
