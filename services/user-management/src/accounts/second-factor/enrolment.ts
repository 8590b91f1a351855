import type { TokenAnswer } from '@rescind/issuer';
import type { EpochMillis } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import type { Account } from '../account.ts';
import { REASON } from '../account.ts';
import type { Holder } from '../accounts.ts';
import type { Credentials, Proved } from '../proving.ts';
import { proving } from '../proving.ts';
import type { AccountRoom } from '../room.ts';
import { requireAccount } from '../room.ts';
import { tellChange } from '../telling.ts';
import type { Authentication } from './proof.ts';
import { PASSWORD_ALONE, WITH_SECOND_FACTOR } from './proof.ts';
import { createRecoveryCodes, hashRecoveryCode } from './recovery-codes.ts';
import { base32, createTotpSecret, findTotpStep, totpUri } from './totp.ts';

/** Shown once. */
interface NewSecret {
  /** Base32, as authenticator applications take it by hand. */
  readonly secret: string;
  /** The same as a QR code has it. */
  readonly uri: string;
}

export interface SecondFactors {
  /** A new secret, good for nothing until it is confirmed. @throws RescindError `second_factor_state`: there is one */
  enrol(sub: string): Promise<NewSecret>;
  /**
   * A code of the new secret makes it count: every other session ends, this one goes on with the tokens answered.
   * @throws RescindError `second_factor_wrong`, `second_factor_state`: nothing to confirm
   */
  confirm(holder: Holder, totp: string): Promise<{ readonly tokens: TokenAnswer; readonly recoveryCodes: string[] }>;
  /** The factor is no more: as `confirm`. @throws RescindError also as everything that takes credentials */
  remove(holder: Holder, credentials: Credentials): Promise<TokenAnswer>;
  /** New recovery codes in place of those there are. */
  renewRecoveryCodes(sub: string, credentials: Credentials): Promise<string[]>;
  recoveryCodesLeft(sub: string): number;
}

/** @param issuerName whose accounts they are, as an authenticator application shows it */
export function createSecondFactors(room: AccountRoom, issuerName: string): SecondFactors {
  const { issuer, table, factors, clock } = room;

  const makeRecoveryCodes = (sub: string): string[] => {
    const codes = createRecoveryCodes();
    factors.setRecoveryCodes(sub, codes.map(hashRecoveryCode));
    return codes;
  };

  /** What the other sessions proved is another credential from now on. */
  const changed = (
    { tx, account }: Pick<Proved, 'tx' | 'account'>,
    sid: string,
    authentication: Authentication,
    at: EpochMillis,
  ) => {
    const { sub } = account;
    tellChange(room, account, 'second_factor', at);
    const credentialVersion = account.credentialVersion + 1;
    table.update(sub, { credentialVersion });
    tx.endAllSessions({ sub, exceptSid: sid, reason: REASON.secondFactorChanged });
    return tx.reauthenticate({ sid, sub, credentialVersion, ...authentication });
  };

  return {
    async enrol(sub) {
      const secret = createTotpSecret();
      const { username } = await issuer.transaction(() => {
        const account = requireAccount(table, sub);
        if (account.secondFactor) throw new RescindError('second_factor_state');
        factors.enrol(sub, secret);
        return account;
      });
      return { secret: base32(secret), uri: totpUri(secret, issuerName, username) };
    },

    confirm: ({ sub, sid }, totp) =>
      issuer.transaction((tx) => {
        const account = requireAccount(table, sub);
        const factor = factors.find(sub);
        if (factor === undefined || factor.confirmedAt !== null) throw new RescindError('second_factor_state');
        const now = clock.now();
        const step = findTotpStep(factor.secret, totp, now, factor.lastStep);
        if (step === undefined) throw new RescindError('second_factor_wrong');
        factors.confirm(sub, now, step);
        const recoveryCodes = makeRecoveryCodes(sub);
        return { tokens: changed({ tx, account }, sid, WITH_SECOND_FACTOR, now), recoveryCodes };
      }),

    remove: ({ sub, sid }, credentials) =>
      proving(
        room,
        () => table.bySub(sub),
        credentials,
        (proved) => {
          requireFactor(proved.account);
          factors.remove(sub);
          return changed(proved, sid, PASSWORD_ALONE, clock.now());
        },
      ),

    renewRecoveryCodes: (sub, credentials) =>
      proving(
        room,
        () => table.bySub(sub),
        credentials,
        ({ account }) => {
          requireFactor(account);
          return makeRecoveryCodes(sub);
        },
      ),

    recoveryCodesLeft: (sub) => factors.recoveryCodesLeft(sub),
  };
}

function requireFactor({ secondFactor }: Account): void {
  if (!secondFactor) throw new RescindError('second_factor_state');
}
