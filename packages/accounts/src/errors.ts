import { registerErrors } from '@rescind/revocation/errors';

/** Codes of users, passwords, second factors and links. */
const ERRORS = registerErrors('@rescind/accounts', {
  credentials_changed: { status: 401, message: 'The password or the second factor has been changed' },
  second_factor_required: { status: 401, message: 'This account requires a second factor in addition to the password' },
  second_factor_wrong: { status: 401, message: 'The code of the second factor is wrong' },
  totp_used: { status: 401, message: 'This one-time code has been used: wait for the next one' },
  recovery_code_used: { status: 401, message: 'This recovery code has been used: take another one' },
  second_factor_state: { status: 409, message: 'The second factor is not in the state that this operation requires' },
  link_invalid: { status: 400, message: 'The token of this link is unknown, used or expired' },
  username_taken: { status: 409, message: 'This name is taken' },
  password_refused: { status: 400, message: 'This password cannot be used' },
  subject_unknown: { status: 404, message: 'There is no such user' },
});

type AccountsErrors = typeof ERRORS;

declare module '@rescind/revocation/errors' {
  interface ErrorTable extends AccountsErrors {}
}
