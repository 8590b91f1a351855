import { z } from 'zod';

/** RFC 6749 section 3.3. */
export const scope = z
  .string()
  .max(1_000)
  .regex(/^[\x21\x23-\x5b\x5d-\x7e]+( [\x21\x23-\x5b\x5d-\x7e]+)*$/, 'must be scopes with one space between')
  .optional();

export const clientId = z.string().max(256).optional();

/** Written out, as patterns of JSON Schema are read by programs that know no properties of characters. */
const PRINTABLE = /^[ -~\u00a0-\u{10ffff}]{1,64}$/u;
export const deviceName = z
  .string()
  .regex(PRINTABLE, 'must be 1 to 64 characters, without control characters')
  .refine((text) => text.isWellFormed(), 'must be text');

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

/** What a call by access token is answered: a refresh token is never among it. */
export const accessAnswer = tokenAnswer.omit({ refresh_token: true, renewed: true }).meta({ id: 'AccessToken' });
