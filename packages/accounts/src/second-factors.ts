import type { AccessAnswer } from '@rescind/issuer';
import { RescindError } from '@rescind/revocation';
import type { Account } from './account.ts';
import { REASON } from './account.ts';
import { base32, createRecoveryCodes, createTotpSecret, findTotpStep, hashRecoveryCode, totpUri } from './codes.ts';
import type { AccountContext, AccountTransaction } from './context.ts';
import type { Authentication, Credentials, Verified } from './credentials.ts';
import { PASSWORD_ALONE, verifyCredentials, WITH_SECOND_FACTOR } from './credentials.ts';
import { notifyChange } from './notify.ts';
import type { TokenHolder } from './own-account.ts';
import { stepUpOf } from './own-account.ts';

/** Shown once. */
interface NewSecret {
  /** Base32, to be typed into an authenticator application. */
  readonly secret: string;
  /** The `otpauth:` address of the secret, for a QR code. */
  readonly uri: string;
}

/** All of it requires the password, and the factor where there is one. @throws RescindError as what `OwnAccounts` verifies */
export interface SecondFactors {
  /** A new secret, which login does not require until it is confirmed. @throws RescindError `second_factor_state`: there is one */
  enrol(holder: TokenHolder, credentials: Credentials): Promise<NewSecret>;
  /**
   * With a code of the new secret login requires it from now on: every other session ends, this one continues with the returned
   * access token.
   * @throws RescindError `second_factor_wrong`, `second_factor_state`: nothing to confirm
   */
  confirm(
    holder: TokenHolder,
    proof: { readonly password: string; readonly totp: string },
  ): Promise<{ readonly tokens: AccessAnswer; readonly recoveryCodes: string[] }>;
  /** Removes the factor: as `confirm`. */
  remove(holder: TokenHolder, credentials: Credentials): Promise<AccessAnswer>;
  /** Replaces the recovery codes. */
  renewRecoveryCodes(sub: string, credentials: Credentials): Promise<string[]>;
  recoveryCodesLeft(sub: string): number;
}

/** @param issuerName whose accounts they are, as an authenticator application shows it */
export function createSecondFactors(context: AccountContext, issuerName: string): SecondFactors {
  const { users, factors } = context.rows;
  const find = (sub: string) => () => users.bySub(sub);

  const makeRecoveryCodes = (tx: AccountTransaction, sub: string): string[] => {
    const codes = createRecoveryCodes();
    tx.factors.setRecoveryCodes(sub, codes.map(hashRecoveryCode));
    return codes;
  };

  /** The other sessions were authenticated by another credential version. */
  const changeFactor = async (
    { tx, account }: Pick<Verified, 'tx' | 'account'>,
    holder: TokenHolder,
    authentication: Authentication,
    change: () => boolean,
  ) => {
    const { sub } = account;
    // Before the change: the owner can go back to how the factor was until now.
    notifyChange(context, tx, account, 'second_factor');
    if (!change()) throw new RescindError('second_factor_state');
    const version = tx.users.update(sub, {}, { newCredential: true });
    const credentialVersion = version ?? account.credentialVersion;
    await tx.issuer.recordEvent({ type: 'account_changed', sub, reason: REASON.secondFactorChanged });
    await tx.issuer.endAllSessions({ sub, exceptSid: holder.sid, reason: REASON.secondFactorChanged });
    return tx.issuer.stepUp({ ...stepUpOf(holder), credentialVersion, ...authentication });
  };

  return {
    async enrol({ sub }, credentials) {
      const secret = createTotpSecret();
      const enrol = ({ tx, account }: Verified) => {
        if (!tx.factors.enrol(sub, secret)) throw new RescindError('second_factor_state');
        return account.username;
      };
      const username = await verifyCredentials(context, find(sub), credentials, enrol, requireNoFactor);
      return { secret: base32(secret), uri: totpUri(secret, issuerName, username) };
    },

    confirm(holder, { password, totp }) {
      const { sub } = holder;
      const confirm = async (verified: Verified) => {
        const { tx } = verified;
        const factor = tx.factors.find(sub);
        if (factor === undefined) throw new RescindError('second_factor_state');
        const step = findTotpStep(factor.secret, totp, tx.now, factor.lastStep);
        if (step === undefined) throw new RescindError('second_factor_wrong');
        const tokens = await changeFactor(verified, holder, WITH_SECOND_FACTOR, () =>
          tx.factors.confirm(sub, factor, tx.now, step),
        );
        return { tokens, recoveryCodes: makeRecoveryCodes(tx, sub) };
      };
      return verifyCredentials(context, find(sub), { password }, confirm, requireNoFactor);
    },

    remove: (holder, credentials) =>
      verifyCredentials(
        context,
        find(holder.sub),
        credentials,
        (verified) => changeFactor(verified, holder, PASSWORD_ALONE, () => verified.tx.factors.remove(holder.sub)),
        requireFactor,
      ),

    renewRecoveryCodes(sub, credentials) {
      const renew = ({ tx, account }: Verified) => {
        notifyChange(context, tx, account, 'recovery_codes');
        return makeRecoveryCodes(tx, sub);
      };
      return verifyCredentials(context, find(sub), credentials, renew, requireFactor);
    },

    recoveryCodesLeft: (sub) => factors.recoveryCodesLeft(sub),
  };
}

function requireNoFactor({ secondFactor }: Account): void {
  if (secondFactor) throw new RescindError('second_factor_state');
}

function requireFactor({ secondFactor }: Account): void {
  if (!secondFactor) throw new RescindError('second_factor_state');
}
