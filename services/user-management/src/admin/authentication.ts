import { createHash, timingSafeEqual } from 'node:crypto';
import type { TokenCheck, VerifiedClaims } from '../http/token-check.ts';
import type { Credentials } from './credentials.ts';
import type { Operator } from './operators.ts';
import { operatorWrong } from './refusals.ts';

/** Who administers, and what they may. */
export interface Administrator {
  /** `operator:<name>` or `sub:<pseudonym>`: as it stands in the audit. */
  readonly who: string;
  readonly scopes: ReadonlySet<string>;
  /** Of a user's token; absent for an operator, whose secret is shown anew with every request. */
  readonly claims?: VerifiedClaims;
  /**
   * Asks again: a body may take half a minute to arrive, and a transaction waits for its turn. Reads what is committed.
   * @throws as `Authenticate`
   */
  confirm(): Promise<void>;
}

/** @throws RescindError `operator_invalid`, `token_malformed`, `token_expired`, `token_revoked`, … */
export type Authenticate = (credentials: Credentials) => Promise<Administrator>;

/** Operators by their secret, as the file has them at this moment; users by an access token for the administration. */
export function createAuthentication(operators: () => ReadonlyMap<string, Operator>, tokens: TokenCheck): Authenticate {
  function requireOperator(name: string, secret: string): Operator {
    const operator = operators().get(name);
    // Digests are of one length, and a stranger's is compared as well: all take the same time.
    const same = timingSafeEqual(digest(secret), digest(operator?.secret ?? ''));
    if (!same || operator === undefined) throw operatorWrong();
    return operator;
  }

  return async (credentials) => {
    if (credentials.kind === 'bearer') {
      const verify = () => tokens.verify(credentials.token);
      const confirm = async () => {
        await verify();
      };
      return { ...administratorOf(await verify()), confirm };
    }
    const { name, secret } = credentials;
    const { scopes } = requireOperator(name, secret);
    return { who: `operator:${name}`, scopes, confirm: async () => void requireOperator(name, secret) };
  };
}

const digest = (text: string) => createHash('sha256').update(text).digest();

function administratorOf(claims: VerifiedClaims): Omit<Administrator, 'confirm'> {
  const { sub, scope } = claims;
  return {
    who: `sub:${String(sub)}`,
    scopes: new Set(typeof scope === 'string' ? scope.split(' ') : []),
    claims,
  };
}
