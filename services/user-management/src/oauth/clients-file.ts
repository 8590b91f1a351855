import type { Client } from '@rescind/issuer';
import { clientIdPattern } from '@rescind/revocation/http';
import { z } from 'zod';
import { hashSecret } from '../feed-clients.ts';
import { scope } from '../http/schemas.ts';
import { readPrivateJson, secretText } from '../private-file.ts';

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

/** Absent members are those of the service's configuration. */
export const clientPolicy = z
  .strictObject({
    accessTokenTtlMs: accessTokenTtlMs.optional().describe('Whole seconds, in milliseconds'),
    refreshIdleTtlMs: lifetime.optional().describe('A session that is not used for this time ends'),
    refreshTokenTtlMs: lifetime.optional().describe('The absolute age of a session'),
    refreshGraceMs: z.int().min(0).max(60_000).optional(),
    rotation: z.boolean().optional().describe('Default true'),
    renewByToken: z
      .boolean()
      .optional()
      .describe('Whether a valid access token is exchanged for a new one. Default false'),
    storage: z.enum(['body', 'cookie', 'either']).optional(),
    clientCredentials: z
      .boolean()
      .optional()
      .describe(
        'Whether it may use the grant `client_credentials` (RFC 6749 section 4.4); requires an `audience`. Default false',
      ),
  })
  .meta({ id: 'ClientPolicy' });

/** Public keys only. */
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

/** The members of every client, for each authentication method. */
export const clientMembers = {
  name: z.string().min(1).max(128).describe('A name for people to read'),
  mayIntrospect: z.boolean().optional().describe('Whether it may introspect tokens of other clients. Default false'),
  scope: scope.describe('All scopes that it may request'),
  audience: z
    .array(z.string().min(1).max(256))
    .min(1)
    .max(32)
    .optional()
    .describe('All audiences that its tokens may have'),
  policy: clientPolicy.optional(),
};

/** The client of a request that names none: the first-party application, which is public. */
export const DEFAULT_CLIENT_ID = 'web';

/** First-party and public: it runs on the devices of users and can keep no secret (RFC 6749 section 2.1). */
const WEB: Client = { clientId: DEFAULT_CLIENT_ID, name: 'Web', authMethod: 'none' };

/** 32 characters of base64 have 192 bits: they cannot be guessed (RFC 6749 section 10.10). */
const secret = secretText(32);

/** RFC 6749 appendix A.1; in HTTP Basic a colon would end the client id. */
const clientId = z.string().regex(clientIdPattern(128), 'must be 1 to 128 visible ASCII characters');

const members = { ...clientMembers, disabled: z.boolean().optional() };
const client = z.discriminatedUnion('authMethod', [
  z.strictObject({ ...members, authMethod: z.literal('none') }),
  z.strictObject({
    ...members,
    authMethod: z.enum(['client_secret_basic', 'client_secret_post']),
    secrets: z.array(secret).min(1).max(2),
  }),
  z.strictObject({ ...members, authMethod: z.literal('private_key_jwt'), jwks: clientJwks }),
]);

/**
 * The clients there are from the start: `web`, those of a file `{ "<client id>": { "name", "authMethod", … } }`, and the
 * services that read revocations with the hashes of their secrets, which may introspect with the same secret. Those of the file replace the others.
 */
export function toClients(
  fileClients: Readonly<Record<string, FileClient>>,
  readers: ReadonlyMap<string, readonly string[]>,
): Client[] {
  const clients = new Map<string, Client>([[WEB.clientId, WEB]]);
  for (const [id, secretHashes] of readers) clients.set(id, serviceClient(id, secretHashes));
  for (const [id, members] of Object.entries(fileClients)) clients.set(id, registered(id, members));
  return [...clients.values()];
}

export type FileClient = z.output<typeof client>;

function registered(clientId: string, client: FileClient): Client {
  const secretHashes = 'secrets' in client ? client.secrets.map(hashSecret) : [];
  const { secrets: _hashed, ...rest } = { secrets: [], ...client };
  // Absent members are left out, not undefined.
  return { ...JSON.parse(JSON.stringify(rest)), clientId, secretHashes };
}

function serviceClient(id: string, secretHashes: readonly string[]): Client {
  return {
    clientId: id,
    name: id,
    authMethod: 'client_secret_basic',
    secretHashes,
    mayIntrospect: true,
  };
}

/**
 * Reads the clients that a file declares; without a file there are none.
 * @param audiences those that a client may be registered for
 * @throws ConfigurationError the file cannot be read, is open to others, or is wrong; never with a secret
 */
export function readClientsFile(
  path: string | undefined,
  audiences: readonly string[],
): Readonly<Record<string, FileClient>> {
  if (path === undefined) return {};
  return readPrivateJson({
    variable: 'CLIENTS_FILE',
    path,
    schema: z.record(clientId, client).superRefine((clients, context) => {
      for (const [id, { audience = [], authMethod, policy }] of Object.entries(clients)) {
        if (policy?.clientCredentials === true && (authMethod === 'none' || audience.length === 0)) {
          const message = 'must be false for a client that does not authenticate or has no audience';
          context.addIssue({ code: 'custom', path: [id, 'policy', 'clientCredentials'], message });
        }
        if (audience.every((one) => audiences.includes(one))) continue;
        const message = `must be of ${audiences.join(', ')}`;
        context.addIssue({ code: 'custom', path: [id, 'audience'], message });
      }
    }),
    shape: 'a JSON object of client ids and clients',
    saysWhatIsWrong: true,
  });
}
