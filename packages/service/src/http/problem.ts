import type { RescindError } from '@rescind/revocation';
import { ERRORS, RequestRefused } from '@rescind/revocation';

/** The page of the codes; the part after `#` is one. A name, as RFC 9457 section 3.1.1 has it: nothing is fetched. */
const ERROR_TYPES = 'https://rescind.dev/errors#';

/** What is answered instead of what was wanted. */
export interface Refusal {
  readonly type: string;
  readonly body: object;
}

/** Whose errors have OAuth's own shape (RFC 6749 section 5.2, RFC 7009 section 2.2.1, RFC 7662 section 2.3). */
export function isOauthPath(path: string): boolean {
  return path.toLowerCase().startsWith('/oauth2/');
}

/** The body of an error: problem details (RFC 9457), or OAuth's at OAuth's endpoints. `code` is in both. */
export function refusalOf(error: RescindError, path: string): Refusal {
  const { code, status, publicDetail, reason } = error;
  const title = ERRORS[code].message;
  const issues = error instanceof RequestRefused ? { issues: error.issues } : {};
  const more = { code, ...(reason === undefined ? {} : { reason }), ...issues };
  if (isOauthPath(path)) {
    const body = {
      error: oauthError(error),
      error_description: publicDetail === undefined ? title : `${title}. ${publicDetail}`,
      ...more,
    };
    return { type: 'application/json', body };
  }
  const detail = publicDetail === undefined ? {} : { detail: publicDetail };
  return { type: 'application/problem+json', body: { type: ERROR_TYPES + code, title, status, ...detail, ...more } };
}

/** RFC 6749 has no word for what HTTP itself says; those of its section 4.1.2.1 are what clients know. */
function oauthError({ oauth, status }: RescindError): string {
  if (oauth !== undefined) return oauth;
  if (status === 503 || status === 429) return 'temporarily_unavailable';
  return status >= 500 ? 'server_error' : 'invalid_request';
}
