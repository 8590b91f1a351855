import { registerErrors } from '@rescind/revocation/errors';

/** Codes of the console, beside those of the issuer, which it passes on. */
const ERRORS = registerErrors('@rescind/console', {
  operator_session_missing: { status: 401, message: 'No operator is logged in: log in again' },
  operator_not_permitted: { status: 403, message: 'This account has no scope of administration' },
  request_foreign: { status: 403, message: 'The request does not come from the page of the console' },
  preview_outgrown: { status: 409, message: 'More sessions would end than the preview counted' },
  issuer_unreachable: { status: 502, message: 'The console cannot reach user-management' },
});

type ConsoleErrors = typeof ERRORS;

declare module '@rescind/revocation/errors' {
  interface ErrorTable extends ConsoleErrors {}
}
