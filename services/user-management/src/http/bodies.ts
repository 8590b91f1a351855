import { readForm, readJson } from '@rescind/service';
import type { RequestHandler } from 'express';
import { z } from 'zod';

/** Letters, digits and a little of any script: nothing that breaks a line, a log or a terminal. */
const username = z.string().regex(/^[\p{L}\p{M}\p{N}._@+-]{1,64}$/u, 'must be 1 to 64 letters, digits or . _ @ + -');

/** Judged where it is stored; here only so long that nothing costly is done with more. */
const password = z.string().max(1_024, 'must be shorter');

const deviceName = z
  .string()
  .regex(/^[^\p{Cc}\p{Cs}]{1,64}$/u, 'must be 1 to 64 characters, without control characters')
  .optional();

/** RFC 6749 section 3.3. */
const scope = z
  .string()
  .max(1_000)
  .regex(/^[\x21\x23-\x5b\x5d-\x7e]+( [\x21\x23-\x5b\x5d-\x7e]+)*$/, 'must be scopes with one space between')
  .optional();

const clientId = z.string().max(256).optional();

export const registerBody = z.strictObject({ username, password });
export const loginBody = z.strictObject({ username, password, deviceName, client_id: clientId, scope });
export const passwordBody = z.strictObject({ currentPassword: password, newPassword: password, deviceName });

export type RegisterBody = z.output<typeof registerBody>;
export type LoginBody = z.output<typeof loginBody>;
export type PasswordBody = z.output<typeof passwordBody>;

/** Unknown parameters are ignored (RFC 6749 section 3.2). */
export const tokenForm = z.object({
  grant_type: z.string({ error: 'must be given' }),
  refresh_token: z.string().max(512).optional(),
  client_id: clientId,
  scope,
});
export const revokeForm = z.object({
  token: z.string({ error: 'must be given' }).max(16_384),
  token_type_hint: z.string().optional(),
  client_id: clientId,
});

export type TokenForm = z.output<typeof tokenForm>;
export type RevokeForm = z.output<typeof revokeForm>;

/** Reads and checks the body before what comes after, which finds it as `request.body`. */
export function json(schema: z.ZodType): RequestHandler {
  return async (request, _response, next) => {
    request.body = await readJson(request, schema);
    next();
  };
}

export function form(schema: z.ZodType): RequestHandler {
  return async (request, _response, next) => {
    request.body = await readForm(request, schema);
    next();
  };
}
