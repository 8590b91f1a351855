import type { IssuerEndpoints, IssuerResponse } from '@rescind/issuer/http';
import type { Operation } from '@rescind/service/http';
import { operation } from '@rescind/service/http';
import { z } from 'zod';
import { sendAnswer } from '../http/refresh-cookie.ts';

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
        200: { description: 'To be kept for a minute at most', schema, headers: { 'Cache-Control': 'For how long' } },
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
      summary: 'The same, as OpenID Connect Discovery has it',
      document: () => endpoints.openidConfiguration(),
    }),
  ];
}
