import { AsyncLocalStorage } from 'node:async_hooks';
import type { Fields, LogLevel } from '@rescind/revocation';
import type { DestinationStream } from 'pino';
import { destination, pino, stdTimeFunctions } from 'pino';

export type WriteLine = (level: LogLevel, event: string, fields?: Fields) => void;

const STANDARD_OUTPUT = 1;

/** Never written, whatever a caller does: `fields` are flat, so the names are enough. */
const SECRET_FIELDS = [
  'access_token',
  'authorization',
  'clientSecret',
  'client_assertion',
  'client_secret',
  'cookie',
  'currentPassword',
  'newPassword',
  'not_me',
  'password',
  'recoveryCode',
  'recoveryCodes',
  'refresh_token',
  'refreshToken',
  'resetToken',
  'reset_token',
  'secret',
  'subject_token',
  'token',
  'totp',
];

/** The request that is being answered: its lines carry its id, whichever room writes them. */
const requests = new AsyncLocalStorage<{ readonly requestId: string }>();

/** Runs `work` so that every line it writes, later ones too, carries `requestId`. */
export function withRequestId<T>(requestId: string, work: () => T): T {
  return requests.run({ requestId }, work);
}

/**
 * JSON lines with UTC time, the level's name, the service and, within a request, its id. Line ends within a value stay
 * escaped, as JSON has them.
 * @param destination default standard output
 */
export function createLog(options: {
  readonly service: string;
  readonly level: LogLevel;
  readonly destination?: DestinationStream | undefined;
}): WriteLine {
  const settings = {
    level: options.level,
    base: { service: options.service },
    timestamp: stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    // A copy: pino adds the line's own fields to it.
    mixin: () => ({ ...requests.getStore() }),
    redact: { paths: SECRET_FIELDS, censor: '[redacted]' },
  };
  // Written when it is said: by default lines still in flight at an exit would come last, or not at all.
  const logger = pino(settings, options.destination ?? destination({ dest: STANDARD_OUTPUT, sync: true }));
  return (level, event, fields) => logger[level]({ event, ...fields });
}
