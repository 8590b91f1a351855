import type { OptionCheck } from '@rescind/revocation/options';
import { option, optionError, optionsOf, required } from '@rescind/revocation/options';
import type { ClaimValue } from './account.ts';
import type {
  AccountAdministration,
  AccountCommand,
  AccountPage,
  NewAccount,
  RefusingCommand,
} from './administration.ts';
import type { Credentials } from './credentials.ts';
import type { NewLogin } from './login.ts';
import type { OwnAccounts, TokenHolder } from './own-account.ts';
import type { SecondFactors } from './second-factors.ts';

/**
 * The objects that the methods of accounts take: their names and types. Their texts may come from an
 * unauthenticated request, so the method itself answers invalid text with a coded error.
 */
const string = option.string();
const texts = option.list(string, { min: 0 });

const number: OptionCheck<number> = (value, path) => {
  if (typeof value === 'number') return value;
  throw optionError(path, 'a number', value);
};

const claimValue: OptionCheck<ClaimValue | null> = (value, path) => {
  if (value === null || ['string', 'number', 'boolean'].includes(typeof value)) return value as ClaimValue | null;
  return texts(value, path);
};

const claim: OptionCheck<ClaimValue> = (value, path) => {
  const given = claimValue(value, path);
  if (given !== null) return given;
  throw optionError(path, 'a value', value);
};

const credentials = optionsOf<Credentials>('credentials', {
  password: required(string),
  totp: string,
  recoveryCode: string,
});

const holder = optionsOf<TokenHolder>('holder', {
  sub: required(string),
  sid: required(string),
  scope: string,
  audience: required(texts),
});

const lifetime = option.either('never', number);

const newLogin = optionsOf<NewLogin>('login', {
  clientId: required(string),
  scope: string,
  resource: texts,
  storage: option.oneOf('body', 'cookie'),
  neverExpires: option.flag(),
  policy: optionsOf<NonNullable<NewLogin['policy']>>('policy', {
    accessTokenTtlMs: number,
    refreshIdleTtlMs: lifetime,
    refreshTokenTtlMs: lifetime,
    refreshGraceMs: number,
    rotation: option.flag(),
    renewByToken: option.flag(),
  }),
  deviceId: string,
  deviceName: string,
  userAgent: string,
  address: string,
});

/** Own accounts whose callers' objects are checked and copied first: a wrong one is a TypeError. */
export function withCheckedOwn(own: OwnAccounts): OwnAccounts {
  return {
    ...own,
    login: async (username, given, login) => own.login(username, credentials(given), newLogin(login)),
    noteRefusedLogin: (username, login, code) => own.noteRefusedLogin(username, newLogin(login), code),
    reauthenticate: async (who, given) => own.reauthenticate(holder(who), credentials(given)),
    changePassword: async (sub, given, next, login) =>
      own.changePassword(sub, credentials(given), next, newLogin(login)),
    changePhone: async (who, given, phone) => own.changePhone(holder(who), credentials(given), phone),
    remove: async (sub, given) => own.remove(sub, credentials(given)),
  };
}

const confirmation = optionsOf<Parameters<SecondFactors['confirm']>[1]>('proof', {
  password: required(string),
  totp: required(string),
});

/** As `withCheckedOwn`, for second factors. */
export function withCheckedFactors(factors: SecondFactors): SecondFactors {
  return {
    ...factors,
    enrol: async (who, given) => factors.enrol(holder(who), credentials(given)),
    confirm: async (who, proof) => factors.confirm(holder(who), confirmation(proof)),
    remove: async (who, given) => factors.remove(holder(who), credentials(given)),
    renewRecoveryCodes: async (sub, given) => factors.renewRecoveryCodes(sub, credentials(given)),
  };
}

const commandShape = {
  sub: required(string),
  requireAllowed: option.callable<NonNullable<AccountCommand['requireAllowed']>>(),
  withinTransaction: option.callable<NonNullable<AccountCommand['withinTransaction']>>(),
};
const command = optionsOf<AccountCommand>('the command', commandShape);
const refusing = optionsOf<RefusingCommand>('the command', { ...commandShape, reason: string });
const reset = optionsOf<Parameters<AccountAdministration['resetPassword']>[0]>('resetPassword', {
  ...refusing.shape,
  ttlMs: number,
});
const roles = optionsOf<Parameters<AccountAdministration['setRoles']>[0]>('setRoles', {
  ...commandShape,
  roles: required(texts),
});
const scopes = optionsOf<Parameters<AccountAdministration['setScopes']>[0]>('setScopes', {
  ...commandShape,
  scopes: required(option.either(null, texts)),
});
const claims = optionsOf<Parameters<AccountAdministration['setClaims']>[0]>('setClaims', {
  ...commandShape,
  claims: required(option.record(claimValue, { min: 0 })),
});
const newAccount = optionsOf<NewAccount>('create', {
  username: required(string),
  roles: texts,
  scopes: option.either(null, texts),
  claims: option.record(claim, { min: 0 }),
  ttlMs: number,
  withinTransaction: commandShape.withinTransaction,
});
const page = optionsOf<AccountPage>('list', {
  after: string,
  limit: required(option.count({ min: 1 })),
  state: option.oneOf('active', 'suspended', 'banned', 'deleted'),
  prefix: string,
});

/** As `withCheckedOwn`, for the administration. */
export function withCheckedAdministration(accounts: AccountAdministration): AccountAdministration {
  return {
    ...accounts,
    list: (given) => accounts.list(page(given)),
    create: async (given) => accounts.create(newAccount(given)),
    suspend: async (given) => accounts.suspend(refusing(given)),
    ban: async (given) => accounts.ban(refusing(given)),
    reinstate: async (given) => accounts.reinstate(command(given)),
    remove: async (given) => accounts.remove(command(given)),
    resetPassword: async (given) => accounts.resetPassword(reset(given)),
    setRoles: async (given) => accounts.setRoles(roles(given)),
    setScopes: async (given) => accounts.setScopes(scopes(given)),
    setClaims: async (given) => accounts.setClaims(claims(given)),
    removeSecondFactor: async (given) => accounts.removeSecondFactor(command(given)),
  };
}
