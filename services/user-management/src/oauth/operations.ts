import type { IssuerEndpoints, IssuerResponse } from '@rescind/issuer/http';
import { RENEWAL_GRANT } from '@rescind/issuer/http';
import type { Operation } from '@rescind/service/http';
import { operation } from '@rescind/service/http';
import { z } from 'zod';
import { MINTS, sendAnswer, TOKENS, WRITES } from '../http/responses.ts';
import { clientId, MAX_RESOURCES, resource, scope } from '../http/schemas.ts';

/**
 * The OAuth endpoints of the issuer, described.
 * @param asClient runs `work`, whose events name a client
 */
export function oauthOperations(endpoints: IssuerEndpoints, asClient: <T>(work: () => T) => T): Operation[] {
  return [
    operation({
      id: 'token',
      method: 'post',
      path: '/oauth2/token',
      summary: 'Exchange a refresh token (RFC 6749 section 6), renew an access token, or get one for the client itself',
      description:
        'The grant `refresh_token` consumes the token and returns the next one. Without `refresh_token` the one of the cookie is used, which requires the header `X-Rescind-CSRF`. The renewal requires `renewByToken` in the policy of the client.',
      tag: 'OAuth',
      security: 'client',
      body: { type: 'form', schema: tokenForm },
      responses: { 200: TOKENS },
      errors: [
        'grant_invalid',
        'grant_reused',
        'grant_suspended',
        'grant_unsupported',
        'client_unauthorized',
        'reauthentication_required',
        'csrf_header_missing',
        'scope_invalid',
        'target_invalid',
        ...MINTS,
      ],
      handle: async (request, response) => sendAnswer(response, await endpoints.token(request, request)),
    }),

    operation({
      id: 'revoke',
      method: 'post',
      path: '/oauth2/revoke',
      summary: 'Revoke a token (RFC 7009)',
      description:
        'An access token is denied alone; a refresh token ends its session. Without `token` the one of the cookie is used.',
      tag: 'OAuth',
      security: 'client',
      body: { type: 'form', schema: revocationForm },
      responses: { 200: { description: 'The token is not valid any more, if it was', schema: z.strictObject({}) } },
      errors: ['grant_invalid', 'csrf_header_missing', ...WRITES],
      handle: async (request, response) =>
        sendAnswer(response, await asClient(() => endpoints.revoke(request, request))),
    }),

    operation({
      id: 'introspect',
      method: 'post',
      path: '/oauth2/introspect',
      summary: 'Whether a token is active (RFC 7662)',
      description:
        'The client must authenticate. Without `mayIntrospect` it gets information about its own tokens only.',
      tag: 'OAuth',
      security: 'client',
      body: { type: 'form', schema: introspectionForm },
      responses: { 200: { description: '`active`; members for an active token only', schema: introspectionAnswer } },
      errors: [],
      handle: async (request, response) => sendAnswer(response, await endpoints.introspect(request, request)),
    }),
  ];
}

const jwks = z.object({ keys: z.array(z.looseObject({ kty: z.string(), kid: z.string(), alg: z.string() })) });
const eventJwks = jwks.extend({ epoch: z.string(), epoch_kid: z.string() });
const metadataDocument = z.looseObject({ issuer: z.string(), jwks_uri: z.string(), token_endpoint: z.string() });

interface Published {
  readonly id: string;
  readonly path: string;
  readonly summary: string;
  readonly schema: z.ZodType;
  readonly document: () => IssuerResponse;
}

/** The public documents of the issuer: its keys and its metadata. */
export function publishedOperations(endpoints: IssuerEndpoints): Operation[] {
  const published = ({ id, path, summary, schema, document }: Published) =>
    operation({
      id,
      method: 'get',
      path: `/.well-known/${path}`,
      summary,
      tag: 'Published',
      responses: {
        200: {
          description: 'May be cached for a minute at most',
          schema,
          headers: { 'Cache-Control': 'The time that it may be cached' },
        },
      },
      errors: [],
      handle: (_request, response) => sendAnswer(response, document()),
    });
  return [
    published({
      schema: jwks,
      id: 'jwks',
      path: 'jwks.json',
      summary: 'Keys of access tokens (RFC 7517)',
      document: () => endpoints.jwks(),
    }),
    published({
      schema: eventJwks,
      id: 'eventJwks',
      path: 'event-jwks.json',
      summary: 'Keys of the log’s events',
      document: () => endpoints.eventJwks(),
    }),
    published({
      schema: metadataDocument,
      id: 'metadata',
      path: 'oauth-authorization-server',
      summary: 'Metadata (RFC 8414)',
      document: () => endpoints.metadata(),
    }),
    published({
      schema: metadataDocument,
      id: 'openidConfiguration',
      path: 'openid-configuration',
      summary: 'The same, at the path of OpenID Connect Discovery',
      document: () => endpoints.openidConfiguration(),
    }),
  ];
}

/** How a client authenticates in a body (RFC 6749 section 2.3.1, RFC 7523 section 2.2). */
export const clientForm = {
  client_id: clientId,
  client_secret: z.string().max(1_024).optional(),
  client_assertion_type: z.string().max(256).optional(),
  client_assertion: z.string().max(4_096).optional(),
};

/** Longer than every token that is verified, and below the limit of the body. */
const token = z.string({ error: 'must be given' }).min(1).max(10_240);

/** Unknown parameters are ignored (RFC 6749 section 3.2). */
const tokenForm = z
  .object({
    grant_type: z
      .string({ error: 'must be given' })
      .min(1)
      .max(256)
      .describe(`\`refresh_token\`, \`client_credentials\` (RFC 6749 section 4.4), or \`${RENEWAL_GRANT}\``),
    refresh_token: z.string().max(512).optional().describe('For `refresh_token`; default: the one in the cookie'),
    subject_token: token.optional().describe('For the renewal: a valid access token'),
    scope,
    resource: z
      .array(resource)
      .max(MAX_RESOURCES)
      .optional()
      .describe('RFC 8707, may be repeated: the audiences of the access token. A renewal can only narrow them'),
    ...clientForm,
  })
  .catchall(z.string());

/** RFC 7009 section 2.1. Without a token the one of the cookie is revoked. */
const revocationForm = z
  .object({
    token: token.optional().describe('Default: the refresh token in the cookie, which requires `X-Rescind-CSRF`'),
    token_type_hint: z.string().max(256).optional(),
    ...clientForm,
  })
  .catchall(z.string());

/** RFC 7662 section 2.1. */
const introspectionForm = z
  .object({
    token,
    token_type_hint: z.string().max(256).optional(),
    ...clientForm,
  })
  .catchall(z.string());

/** RFC 7662 section 2.2. The response about an inactive token has no other member. */
const introspectionAnswer = z
  .looseObject({
    active: z.boolean(),
    iss: z.string().optional(),
    sub: z.string().optional(),
    client_id: z.string().optional(),
    scope: z.string().optional(),
    sid: z.string().optional().describe('The session'),
    exp: z.int().optional().describe('Seconds; absent if it does not expire'),
    token_type: z.literal('Bearer').optional(),
    token_use: z.literal('refresh_token').optional(),
  })
  .meta({ id: 'Introspection' });
