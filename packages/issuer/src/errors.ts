import { registerErrors } from '@rescind/revocation/errors';

/** Codes of sessions, refresh tokens and clients (RFC 6749 section 5.2, RFC 7009). */
const ERRORS = registerErrors('@rescind/issuer', {
  grant_invalid: { status: 400, oauth: 'invalid_grant', message: 'The refresh token is unknown, expired or revoked' },
  grant_reused: {
    status: 400,
    oauth: 'invalid_grant',
    message: 'The refresh token was used before: its session has ended',
  },
  grant_suspended: { status: 400, oauth: 'invalid_grant', message: 'The account of this session is not active' },
  reauthentication_required: {
    status: 400,
    oauth: 'invalid_grant',
    message: 'The session continues only after a new login',
  },
  client_unauthorized: {
    status: 400,
    oauth: 'unauthorized_client',
    message: 'The client may not use this grant type',
  },
  grant_unsupported: { status: 400, oauth: 'unsupported_grant_type', message: 'This grant type is not offered' },
  scope_invalid: { status: 400, oauth: 'invalid_scope', message: 'The scope is unknown or exceeds what was granted' },
  target_invalid: {
    status: 400,
    oauth: 'invalid_target',
    message: 'The client may not have a token for this resource',
  },
  credentials_wrong: { status: 401, message: 'The name or the password is wrong' },
  session_ended: { status: 401, message: 'The session has ended' },
  subject_inactive: { status: 403, message: 'This account is not active' },
  csrf_header_missing: {
    status: 403,
    oauth: 'invalid_request',
    message: 'A request by cookie requires the header X-Rescind-CSRF',
  },
  client_unknown: { status: 404, message: 'There is no such client' },
  database_restored: {
    status: 503,
    message: 'The database is older than its log: writes wait for the restore command',
  },
});

type IssuerErrors = typeof ERRORS;

declare module '@rescind/revocation/errors' {
  interface ErrorTable extends IssuerErrors {}
}
