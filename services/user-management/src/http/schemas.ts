import { SCOPE_LIST } from '@rescind/revocation/http';
import { z } from 'zod';

/** RFC 6749 section 3.3. */
export const scope = z.string().max(1_000).regex(SCOPE_LIST, 'must be scopes with one space between').optional();

/** The name of an audience (RFC 8707 section 2). */
export const resource = z.string().min(1).max(256);
/** Most resources of one request. */
export const MAX_RESOURCES = 32;

export const clientId = z.string().max(256).optional();

/**
 * Visible text: no control character, none that turns the direction of others (UAX 9), none that is ignored in display
 * (UAX 44, Default_Ignorable_Code_Point), no surrogate without its other half. Written out, as patterns of JSON Schema are
 * read by programs that know no properties of characters.
 */
const VISIBLE = [
  ' -~\\u00a0-\\u00ac\\u00ae-\\u034e\\u0350-\\u061b\\u061d-\\u115e\\u1161-\\u17b3\\u17b6-\\u180a\\u1810-\\u200a\\u2010-\\u2027',
  '\\u202f-\\u205f\\u2070-\\u3163\\u3165-\\ud7ff\\ue000-\\ufdff\\ufe10-\\ufefe\\uff00-\\uff9f\\uffa1-\\uffef\\ufffc-\\uffff',
  '\\u{10000}-\\u{1bc9f}\\u{1bca4}-\\u{1d172}\\u{1d17b}-\\u{dffff}\\u{e1000}-\\u{10ffff}',
].join('');
const BLANK = /^[\p{Zs}\u2800]*$/u;
export const deviceName = z
  .string()
  .regex(
    new RegExp(`^[${VISIBLE}]{1,64}$`, 'u'),
    'must be 1 to 64 characters, none of them invisible, a control or of direction',
  )
  .refine((text) => !BLANK.test(text), 'must not be blank');

/** RFC 6749 section 5.1, with `refresh_in` and `sid` in addition. */
export const tokenAnswer = z
  .strictObject({
    access_token: z.string().describe('A JWT (RFC 9068)'),
    token_type: z.literal('Bearer'),
    expires_in: z.int().describe('Seconds'),
    refresh_token: z.string().optional().describe('Absent if it is in a cookie, or stays the same'),
    refresh_in: z.int().describe('Seconds after which refreshing makes sense'),
    scope: z.string(),
    sid: z.string().describe('The session'),
    renewed: z
      .boolean()
      .optional()
      .describe('Of a renewal: false in the first half of the life of the token, which is returned again'),
  })
  .meta({ id: 'Tokens' });

/** The response to a request with an access token: it never has a refresh token. */
export const accessAnswer = tokenAnswer.omit({ refresh_token: true, renewed: true }).meta({ id: 'AccessToken' });
