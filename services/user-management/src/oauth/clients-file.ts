import type { Client } from '@rescind/issuer';
import { clientIdPattern } from '@rescind/revocation/http';
import { z } from 'zod';
import { readPrivateJson } from '../private-file.ts';
import { hashSecret } from '../registered-feed-clients.ts';
import { secretText } from '../secret-text.ts';
import { clientJwks, clientMembers } from './client-members.ts';

/** The client of a request that names none: the first-party application, which is public. */
export const DEFAULT_CLIENT_ID = 'web';

/** First-party and public: it runs where its users are and can keep no secret (RFC 6749 section 2.1). */
const WEB: Client = { clientId: DEFAULT_CLIENT_ID, name: 'Web', authMethod: 'none' };

/** 32 characters of base64 have 192 bits: nobody tries them out (RFC 6749 section 10.10). */
const secret = secretText(32);

/** RFC 6749 appendix A.1; a colon would end it in HTTP Basic. */
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
 * services that read revocations with the hashes of their secrets, which may introspect with the same secret. The file's take the place of the others.
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

function registered(clientId: string, given: FileClient): Client {
  const secretHashes = 'secrets' in given ? given.secrets.map(hashSecret) : [];
  const { secrets: _told, ...rest } = { secrets: [], ...given };
  // What was left out is absent, not undefined.
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
 * No file: none.
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
      for (const [id, { audience = [] }] of Object.entries(clients)) {
        if (audience.every((one) => audiences.includes(one))) continue;
        const message = `must be of ${audiences.join(', ')}`;
        context.addIssue({ code: 'custom', path: [id, 'audience'], message });
      }
    }),
    shape: 'a JSON object of client ids and clients',
    saysWhatIsWrong: true,
  });
}
