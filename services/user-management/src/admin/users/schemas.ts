import { scopeToken } from '@rescind/revocation/http';
import { z } from 'zod';
import { bodyWithReason, millis, reason, revoked, why } from '../schemas.ts';

const state = z.enum(['active', 'suspended', 'banned', 'deleted']);
const scopeWord = z.string().regex(scopeToken(128), 'must be a scope (RFC 6749 section 3.3)');
const claimName = z
  .string()
  .regex(/^[A-Za-z][A-Za-z0-9_:/.-]{0,63}$/, 'must be a name of 1 to 64 letters, digits, _ : / . -');
const claimText = z.string().min(1).max(256);
const claimValue = z.union([claimText, z.number(), z.boolean(), z.array(claimText).max(64)]);

export const user = z
  .strictObject({
    sub: z.string(),
    username: z.string().describe('Empty when the account is deleted'),
    state,
    stateReason: z.string().nullable(),
    resetReason: z.string().nullable(),
    scopes: z.array(z.string()).nullable().describe('All the user may have; null: what everybody has'),
    claims: z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.array(z.string())])),
    createdAt: millis,
    lastLoginAt: millis.nullable(),
    secondFactor: z.boolean(),
  })
  .meta({ id: 'User' });

/** `state` filters; `username` asks for one name, as people write it. */
export const userFilter = { state: state.optional(), username: z.string().min(1).max(64).optional() };

export const changed = z.strictObject({ user, revocation: revoked });
export const resetAnswer = z.strictObject({
  user,
  revocation: revoked,
  resetToken: z.string().describe('Good once, at POST /password/reset; shown once'),
  expiresAt: millis,
});

export const rolesBody = z.strictObject({ roles: z.array(z.string().min(1).max(128)).max(64), why });
export const scopesBody = z.strictObject({
  scopes: z.array(scopeWord).max(64).nullable().describe('null: what everybody has'),
  why,
});
export const claimsBody = z.strictObject({
  claims: z.record(claimName, claimValue.nullable()).describe('null removes'),
  why,
});
export const logOutBody = bodyWithReason('logged_out_by_administrator');
export const demandBody = z.strictObject({ reason, why });
