import { z } from 'zod';
import { scope } from '../http/bodies.ts';

const SECOND_MS = 1_000;
const DAY_MS = 86_400_000;

const accessTokenTtlMs = z.int().min(SECOND_MS).max(DAY_MS).multipleOf(SECOND_MS);
const lifetime = z.union([
  z
    .int()
    .min(SECOND_MS)
    .max(36_525 * DAY_MS),
  z.literal('never'),
]);

/** What is left out is as the service's own configuration says. */
export const clientPolicy = z
  .strictObject({
    accessTokenTtlMs: accessTokenTtlMs.optional().describe('Whole seconds, in milliseconds'),
    refreshIdleTtlMs: lifetime.optional().describe('A session not used for so long ends'),
    refreshTokenTtlMs: lifetime.optional().describe('Absolute age of a session'),
    refreshGraceMs: z.int().min(0).max(60_000).optional(),
    rotation: z.boolean().optional().describe('Default true'),
    renewByToken: z.boolean().optional().describe('Whether a valid access token buys a new one. Default false'),
    storage: z.enum(['body', 'cookie', 'either']).optional(),
  })
  .meta({ id: 'ClientPolicy' });

/** Public keys only: whoever registers a client has no business with its private ones. */
const jwk = z.strictObject({
  kty: z.enum(['RSA', 'EC']),
  kid: z.string().min(1).max(256),
  alg: z.enum(['RS256', 'ES256']),
  use: z.literal('sig').optional(),
  n: z.string().max(2_048).optional(),
  e: z.string().max(16).optional(),
  crv: z.literal('P-256').optional(),
  x: z.string().max(128).optional(),
  y: z.string().max(128).optional(),
});

export const clientJwks = z.strictObject({ keys: z.array(jwk).min(1).max(10) }).describe('For `private_key_jwt`');

/** What every client may have, whatever it authenticates by. */
export const clientMembers = {
  name: z.string().min(1).max(128).describe('For people'),
  mayIntrospect: z.boolean().optional().describe('Whether it may ask about tokens of others. Default false'),
  scope: scope.describe('The most it may ask for'),
  audience: z.array(z.string().min(1).max(256)).min(1).max(32).optional().describe('The most its tokens may be for'),
  policy: clientPolicy.optional(),
};
