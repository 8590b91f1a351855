import type { Issuer } from '@rescind/issuer';
import type { Operation } from '@rescind/service';
import { operation } from '@rescind/service';
import { z } from 'zod';

/** How long others may keep keys and metadata: a key is published longer than that before it is used. */
const PUBLIC_MAX_AGE_S = 60;

const jwks = z.object({ keys: z.array(z.looseObject({ kty: z.string(), kid: z.string(), alg: z.string() })) });
const metadataDocument = z.looseObject({ issuer: z.string(), jwks_uri: z.string(), token_endpoint: z.string() });

/** What everybody may know of this issuer: its keys and its metadata. */
export function publishedOperations(issuer: Issuer, metadata: object): Operation[] {
  const published = (id: string, path: string, summary: string, schema: z.ZodType, document: () => object) =>
    operation({
      id,
      method: 'get',
      path: `/.well-known/${path}`,
      summary,
      tag: 'Published',
      answers: {
        200: { description: 'To be kept for a minute', schema, headers: { 'Cache-Control': 'For how long' } },
      },
      errors: [],
      handle(_request, response) {
        response.set('Cache-Control', `public, max-age=${PUBLIC_MAX_AGE_S}`).json(document());
      },
    });
  return [
    published('jwks', 'jwks.json', 'Keys of access tokens (RFC 7517)', jwks, () => issuer.jwks()),
    published('eventJwks', 'event-jwks.json', 'Keys of the log’s events', jwks, () => issuer.eventJwks()),
    published('metadata', 'oauth-authorization-server', 'Metadata (RFC 8414)', metadataDocument, () => metadata),
    published('openidConfiguration', 'openid-configuration', 'The same metadata', metadataDocument, () => metadata),
  ];
}
