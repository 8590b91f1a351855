import { registerErrors } from '@rescind/revocation/errors';

/** Codes of the denylist file, on opening and writing it. */
const ERRORS = registerErrors('@rescind/denylist', {
  denylist_locked: { status: 500, message: 'Another process has this denylist open' },
  denylist_unwritable: { status: 500, message: 'The denylist could not be written' },
  denylist_newer: { status: 500, message: 'The denylist was written by a newer version' },
});

type DenylistErrors = typeof ERRORS;

declare module '@rescind/revocation/errors' {
  interface ErrorTable extends DenylistErrors {}
}
