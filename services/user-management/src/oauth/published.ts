import type { Operation } from '@rescind/service/http';
import { operation } from '@rescind/service/http';
import { z } from 'zod';
import type { MetadataOptions } from './metadata.ts';
import { authorizationServerMetadata, openidConfiguration } from './metadata.ts';

/** Metadata change when somebody changes the configuration. */
const METADATA_CACHE_CONTROL = 'public, max-age=60';

const jwks = z.object({ keys: z.array(z.looseObject({ kty: z.string(), kid: z.string(), alg: z.string() })) });
const eventJwks = jwks.extend({ epoch: z.string(), epoch_kid: z.string() });
const metadataDocument = z.looseObject({ issuer: z.string(), jwks_uri: z.string(), token_endpoint: z.string() });

interface Published {
  readonly id: string;
  readonly path: string;
  readonly summary: string;
  readonly schema: z.ZodType;
  readonly cacheControl: string;
  readonly document: () => object;
}

/**
 * What everybody may know of this issuer: its keys and its metadata.
 * @param keysCacheControl for how long others may keep the keys: less than a key is published before it signs
 */
export function publishedOperations(about: MetadataOptions, keysCacheControl: string): Operation[] {
  const published = ({ id, path, summary, schema, cacheControl, document }: Published) =>
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
      handle(_request, response) {
        response.set('Cache-Control', cacheControl).json(document());
      },
    });
  const keys = { schema: jwks, cacheControl: keysCacheControl };
  const metadata = { schema: metadataDocument, cacheControl: METADATA_CACHE_CONTROL };
  return [
    published({
      ...keys,
      id: 'jwks',
      path: 'jwks.json',
      summary: 'Keys of access tokens (RFC 7517)',
      document: () => about.issuer.jwks(),
    }),
    published({
      ...keys,
      schema: eventJwks,
      id: 'eventJwks',
      path: 'event-jwks.json',
      summary: 'Keys of the log’s events',
      document: () => about.issuer.eventJwks(),
    }),
    published({
      ...metadata,
      id: 'metadata',
      path: 'oauth-authorization-server',
      summary: 'Metadata (RFC 8414)',
      document: () => authorizationServerMetadata(about),
    }),
    published({
      ...metadata,
      id: 'openidConfiguration',
      path: 'openid-configuration',
      summary: 'The same, as OpenID Connect Discovery has it',
      document: () => openidConfiguration(about),
    }),
  ];
}
