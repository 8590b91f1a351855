import type { AccessAnswer } from '@rescind/issuer';
import { RescindError } from '@rescind/revocation';
import type { Account } from '../account.ts';
import { REASON } from '../account.ts';
import type { Holder } from '../accounts.ts';
import { stepUpOf } from '../accounts.ts';
import type { Credentials, Proved } from '../proving.ts';
import { proving } from '../proving.ts';
import type { AccountRoom } from '../room.ts';
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

/** All of it takes the password, and the factor where there is one. @throws RescindError as everything that takes credentials */
export interface SecondFactors {
  /** A new secret, good for nothing until it is confirmed. @throws RescindError `second_factor_state`: there is one */
  enrol(holder: Holder, credentials: Credentials): Promise<NewSecret>;
  /**
   * A code of the new secret makes it count: every other session ends, this one goes on with the access token answered.
   * @throws RescindError `second_factor_wrong`, `second_factor_state`: nothing to confirm
   */
  confirm(
    holder: Holder,
    proof: { readonly password: string; readonly totp: string },
  ): Promise<{ readonly tokens: AccessAnswer; readonly recoveryCodes: string[] }>;
  /** The factor is no more: as `confirm`. */
  remove(holder: Holder, credentials: Credentials): Promise<AccessAnswer>;
  /** New recovery codes in place of those there are. */
  renewRecoveryCodes(sub: string, credentials: Credentials): Promise<string[]>;
  recoveryCodesLeft(sub: string): number;
}

/** @param issuerName whose accounts they are, as an authenticator application shows it */
export function createSecondFactors(room: AccountRoom, issuerName: string): SecondFactors {
  const { table, factors, clock } = room;

  const makeRecoveryCodes = (sub: string): string[] => {
    const codes = createRecoveryCodes();
    factors.setRecoveryCodes(sub, codes.map(hashRecoveryCode));
    return codes;
  };

  /** What the other sessions proved is another credential from now on. */
  const changed = (
    { tx, account }: Pick<Proved, 'tx' | 'account'>,
    holder: Holder,
    authentication: Authentication,
    change: () => void,
  ) => {
    const { sub } = account;
    // Before the change: how the factor was until now is what can be gone back to.
    tellChange(room, account, 'second_factor', clock.now());
    change();
    const credentialVersion = account.credentialVersion + 1;
    table.update(sub, { credentialVersion });
    tx.endAllSessions({ sub, exceptSid: holder.sid, reason: REASON.secondFactorChanged });
    return tx.stepUp({ ...stepUpOf(holder), credentialVersion, ...authentication });
  };

  return {
    async enrol({ sub }, credentials) {
      const secret = createTotpSecret();
      const username = await proving(
        room,
        () => table.bySub(sub),
        credentials,
        ({ account }) => {
          factors.enrol(sub, secret);
          return account.username;
        },
        requireNoFactor,
      );
      return { secret: base32(secret), uri: totpUri(secret, issuerName, username) };
    },

    confirm: (holder, { password, totp }) =>
      proving(
        room,
        () => table.bySub(holder.sub),
        { password },
        (proved) => {
          const { sub } = holder;
          const factor = factors.find(sub);
          if (factor === undefined) throw new RescindError('second_factor_state');
          const now = clock.now();
          const step = findTotpStep(factor.secret, totp, now, factor.lastStep);
          if (step === undefined) throw new RescindError('second_factor_wrong');
          let recoveryCodes: string[] = [];
          const tokens = changed(proved, holder, WITH_SECOND_FACTOR, () => {
            factors.confirm(sub, now, step);
            recoveryCodes = makeRecoveryCodes(sub);
          });
          return { tokens, recoveryCodes };
        },
        requireNoFactor,
      ),

    remove: (holder, credentials) =>
      proving(
        room,
        () => table.bySub(holder.sub),
        credentials,
        (proved) => changed(proved, holder, PASSWORD_ALONE, () => factors.remove(holder.sub)),
        requireFactor,
      ),

    renewRecoveryCodes: (sub, credentials) =>
      proving(
        room,
        () => table.bySub(sub),
        credentials,
        ({ account }) => {
          tellChange(room, account, 'recovery_codes', clock.now());
          return makeRecoveryCodes(sub);
        },
        requireFactor,
      ),

    recoveryCodesLeft: (sub) => factors.recoveryCodesLeft(sub),
  };
}

function requireNoFactor({ secondFactor }: Account): void {
  if (secondFactor) throw new RescindError('second_factor_state');
}

function requireFactor({ secondFactor }: Account): void {
  if (!secondFactor) throw new RescindError('second_factor_state');
}
