import { hasInvisible } from '@rescind/accounts';
import { z } from 'zod';
import { accessAnswer, clientId, deviceName, MAX_RESOURCES, resource, scope } from '../http/schemas.ts';
import { clientForm } from '../oauth/operations.ts';

/** Letters and digits of any script, and six other characters: none that breaks a line, a log or a terminal. */
const USERNAME = 'must be 1 to 64 letters, digits or . _ @ + -';
const username = z
  .string()
  // In the documents of the API, which do not have the pattern.
  .min(1, { error: USERNAME, abort: true })
  .regex(/^[\p{L}\p{M}\p{N}._@+-]{1,64}$/u, USERNAME);

/** Only a bound of the costs: accounts check a new password. */
const password = z.string().max(1_024, 'must be shorter');

const deviceId = z
  .string()
  .regex(/^[\w.~-]{16,128}$/, 'must be 16 to 128 letters, digits or . _ ~ -')
  .describe('A random text that the application creates and stores: it identifies the device');

const totp = z.string().regex(/^\d{6}$/, 'must be 6 digits');
const recoveryCode = z.string().max(64).describe('A recovery code of the enrolment, in place of `totp`');
const linkToken = z.string().max(256);

/** The password, and the second factor of an account that has one. */
const credentials = { password, totp: totp.optional(), recoveryCode: recoveryCode.optional() };

/** The name of a new account. Accounts of earlier versions may have invisible characters in their name, and log in by it. */
export const newUsername = username.refine((name) => !hasInvisible(name), 'must not have invisible characters');

export const registerBody = z.strictObject({ username: newUsername, password });
export const registerAnswer = z.strictObject({ username });
export const loginBody = z.strictObject({
  username,
  ...credentials,
  deviceName: deviceName.optional(),
  deviceId: deviceId.optional(),
  ...clientForm,
  scope,
  resource: z
    .union([resource.transform((one) => [one]), z.array(resource).min(1).max(MAX_RESOURCES)])
    .optional()
    .describe('RFC 8707: the audiences of the access tokens. Default: the services of the client'),
  neverExpires: z
    .boolean()
    .default(false)
    .describe('A session without deadlines, if the configuration permits it: it continues until it is revoked'),
  storage: z
    .enum(['body', 'cookie'])
    .default('body')
    .describe('Where the refresh token is returned: in the body, or in a cookie that no script can read'),
});
export const credentialsBody = z.strictObject(credentials);

export const logoutBody = z.strictObject({
  client_id: clientId.describe('The application whose cookie is used. Default: the only one with a cookie, or `web`'),
});

export const passwordBody = z.strictObject({
  currentPassword: password,
  newPassword: password,
  totp: totp.optional(),
  recoveryCode: recoveryCode.optional(),
  deviceName: deviceName.optional(),
  deviceId: deviceId.optional(),
});
export const passwordResetBody = z.strictObject({ resetToken: linkToken, newPassword: password });
export const notMeBody = z.strictObject({ token: linkToken });

export const sidParams = z.strictObject({ sid: z.string().min(1).max(64) });
export const renameBody = z.strictObject({ deviceName });
const millis = z.int().describe('Milliseconds since 1970-01-01T00:00:00Z');
export const sessionAnswer = z
  .strictObject({
    sid: z.string(),
    clientId: z.string(),
    deviceName: z.string().nullable(),
    createdAt: millis,
    lastUsedAt: millis,
    origin: z.strictObject({
      address: z.string().optional().describe('The network of the login'),
      userAgent: z.string().optional(),
    }),
    authTime: millis,
    amr: z.array(z.string()),
    acr: z.string().nullable(),
    idleExpiresAt: millis.nullable().describe('null: never'),
    absoluteExpiresAt: millis.nullable().describe('null: never'),
    current: z.boolean().describe('Whether it is the session of this request'),
  })
  .meta({ id: 'Session' });

export const confirmBody = z.strictObject({ password, totp: totp.describe('A code of the new secret') });
export const secretAnswer = z.strictObject({
  secret: z.string().describe('Base32 (RFC 4648), to type into an application'),
  uri: z.string().describe('The same as a URI for a QR code'),
});
const recoveryCodes = z.array(z.string()).describe('Each is valid once; they are not shown again');
export const recoveryCodesAnswer = z.strictObject({ recoveryCodes });
export const confirmAnswer = z.strictObject({ ...accessAnswer.shape, recoveryCodes });

export const accountPatch = z.strictObject({
  ...credentials,
  phone: z
    .string()
    .regex(/^\+[1-9]\d{6,14}$/, 'must be an international number such as +4915112345678 (E.164)')
    .nullable(),
});
const claim = z.union([z.string(), z.number(), z.boolean(), z.array(z.string())]);
export const accountAnswer = z
  .strictObject({
    sub: z.string(),
    username: z.string(),
    claims: z.record(z.string(), claim).describe('The claims of its access tokens, except `scope`'),
    createdAt: millis,
    lastLoginAt: millis.nullable(),
    secondFactor: z.boolean(),
    recoveryCodesLeft: z.int(),
  })
  .meta({ id: 'Account' });
