import { createHash, timingSafeEqual } from 'node:crypto';
import type { Issuer } from '@rescind/issuer';
import type { EpochSeconds } from '@rescind/revocation';
import type { Credentials } from './credentials.ts';
import type { Operator } from './operators.ts';
import { operatorWrong } from './refusals.ts';

/** Who administers, and what they may. */
export interface Administrator {
  /** `operator:<name>` or `sub:<pseudonym>`: as it stands in the audit. */
  readonly who: string;
  readonly scopes: ReadonlySet<string>;
  /** When a user logged in; absent for an operator, whose secret is shown anew with every request. */
  readonly authTime?: EpochSeconds;
  /** Asks again, right before something is done: a body may take half a minute to arrive. @throws as `Authenticate` */
  confirm(): void;
}

/** @throws RescindError `operator_invalid`, `token_malformed`, `token_expired`, `token_revoked`, … */
export type Authenticate = (credentials: Credentials) => Administrator;

/** Operators by their secret, users by an access token of ours. */
export function createAuthentication(
  operators: ReadonlyMap<string, Operator>,
  issuer: Pick<Issuer, 'verify'>,
): Authenticate {
  const known = new Map(
    [...operators].map(([name, { secret, scopes }]) => [name, { secret: digest(secret), scopes }] as const),
  );
  const nobody = { secret: digest(''), scopes: new Set<string>() };

  return (credentials) => {
    if (credentials.kind === 'bearer') {
      const verify = () => issuer.verify(credentials.token).payload;
      return { ...administratorOf(verify()), confirm: () => void verify() };
    }
    const { name, secret } = credentials;
    const operator = known.get(name);
    // Digests are of one length, and a stranger's is compared as well: all take the same time.
    const same = timingSafeEqual(digest(secret), (operator ?? nobody).secret);
    if (!same || operator === undefined) throw operatorWrong();
    return { who: `operator:${name}`, scopes: operator.scopes, confirm: () => undefined };
  };
}

const digest = (text: string) => createHash('sha256').update(text).digest();

function administratorOf(payload: Readonly<Record<string, unknown>>): Omit<Administrator, 'confirm'> {
  const { sub, scope, auth_time: authTime } = payload;
  return {
    who: `sub:${String(sub)}`,
    scopes: new Set(typeof scope === 'string' ? scope.split(' ') : []),
    // Without one nothing is known of the login: as old as can be.
    authTime: typeof authTime === 'number' ? authTime : 0,
  };
}
