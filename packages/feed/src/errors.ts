import { registerErrors } from '@rescind/revocation/errors';

/** Codes of the log of events. */
const ERRORS = registerErrors('@rescind/feed', {
  key_unknown: { status: 404, message: 'There is no such key' },
  event_invalid: { status: 400, message: 'The event is not one of this log' },
  report_invalid: { status: 400, message: 'The report of the instance is malformed' },
});

type FeedErrors = typeof ERRORS;

declare module '@rescind/revocation/errors' {
  interface ErrorTable extends FeedErrors {}
}
