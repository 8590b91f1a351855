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
export const scope = z
  .string()
  .max(1_000)
  .regex(/^[\x21\x23-\x5b\x5d-\x7e]+( [\x21\x23-\x5b\x5d-\x7e]+)*$/, 'must be scopes with one space between')
  .optional();

export const clientId = z.string().max(256).optional();

export const registerBody = z.strictObject({ username, password });
export const registerAnswer = z.strictObject({ username });
export const loginBody = z.strictObject({ username, password, deviceName, client_id: clientId, scope });
export const passwordBody = z.strictObject({ currentPassword: password, newPassword: password, deviceName });

/** RFC 6749 section 5.1, `refresh_in` and `sid` being ours. */
export const tokenAnswer = z
  .strictObject({
    access_token: z.string().describe('A JWT (RFC 9068)'),
    token_type: z.literal('Bearer'),
    expires_in: z.int().describe('Seconds'),
    refresh_token: z.string().optional().describe('Absent where it went into a cookie, or stays the same'),
    refresh_in: z.int().describe('Seconds after which refreshing makes sense'),
    scope: z.string(),
    sid: z.string().describe('The session'),
    renewed: z.boolean().optional().describe('Of a renewal: false while the same token is good for long enough'),
  })
  .meta({ id: 'Tokens' });
