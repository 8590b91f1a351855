import { registerErrors } from '@rescind/revocation/errors';

/** Codes of administration. */
const ERRORS = registerErrors('@rescind/user-management', {
  operator_invalid: { status: 401, message: 'The name or the secret of the administrator is wrong' },
  client_state: { status: 409, message: 'The client is not in the state that this operation requires' },
  instance_running: {
    status: 409,
    message: 'The instance still reports: only one that is lost or left can be removed',
  },
  confirmation_missing: { status: 400, message: 'This may concern more than one user and has to be confirmed' },
  confirmation_outgrown: { status: 409, message: 'More sessions are affected by now than were confirmed' },
});

type UserManagementErrors = typeof ERRORS;

declare module '@rescind/revocation/errors' {
  interface ErrorTable extends UserManagementErrors {}
}
