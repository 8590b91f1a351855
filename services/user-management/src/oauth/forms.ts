import { RENEWAL_GRANT } from '@rescind/issuer/http';
import { z } from 'zod';
import { clientId, MOST_RESOURCES, resource, scope } from '../http/bodies.ts';

/** How a client authenticates in a body (RFC 6749 section 2.3.1, RFC 7523 section 2.2). */
export const clientForm = {
  client_id: clientId,
  client_secret: z.string().max(1_024).optional(),
  client_assertion_type: z.string().max(256).optional(),
  client_assertion: z.string().max(4_096).optional(),
};

/** The longest access token that is looked at is shorter, and the body of a request not much longer. */
const token = z.string({ error: 'must be given' }).min(1).max(10_240);

/** Unknown parameters are ignored (RFC 6749 section 3.2). */
export const tokenForm = z
  .object({
    grant_type: z
      .string({ error: 'must be given' })
      .min(1)
      .max(256)
      .describe(`\`refresh_token\`, or \`${RENEWAL_GRANT}\``),
    refresh_token: z.string().max(512).optional().describe('For `refresh_token`; absent: it is in the cookie'),
    subject_token: token.optional().describe('For the renewal: a valid access token'),
    scope,
    resource: z
      .array(resource)
      .max(MOST_RESOURCES)
      .optional()
      .describe('RFC 8707, may be repeated: the audiences of the access token. A renewal narrows them only'),
    ...clientForm,
  })
  .catchall(z.string());

/** RFC 7009 section 2.1. Without a token that of the cookie is meant. */
export const revocationForm = z
  .object({
    token: token
      .optional()
      .describe('Absent: the refresh token in the cookie is meant, which requires `X-Rescind-CSRF`'),
    token_type_hint: z.string().max(256).optional(),
    ...clientForm,
  })
  .catchall(z.string());

/** RFC 7662 section 2.1. */
export const shownTokenForm = z
  .object({
    token,
    token_type_hint: z.string().max(256).optional(),
    ...clientForm,
  })
  .catchall(z.string());

/** RFC 7662 section 2.2. Of what is not active there is no other member. */
export const introspectionAnswer = z
  .looseObject({
    active: z.boolean(),
    iss: z.string().optional(),
    sub: z.string().optional(),
    client_id: z.string().optional(),
    scope: z.string().optional(),
    sid: z.string().optional().describe('The session'),
    exp: z.int().optional().describe('Seconds; absent where there is none'),
    token_type: z.literal('Bearer').optional(),
    token_use: z.literal('refresh_token').optional(),
  })
  .meta({ id: 'Introspection' });
