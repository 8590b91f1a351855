import { z } from 'zod';
import { clientJwks, clientMembers, clientPolicy } from '../oauth/client-members.ts';
import { confirm, why } from './schemas.ts';

/** By how it proves who it is: only `private_key_jwt` has keys. */
export const clientBody = z.discriminatedUnion('authMethod', [
  z.strictObject({
    ...clientMembers,
    authMethod: z.enum(['none', 'client_secret_basic', 'client_secret_post']),
    why,
    confirm,
  }),
  z.strictObject({ ...clientMembers, authMethod: z.literal('private_key_jwt'), jwks: clientJwks, why, confirm }),
]);

export const clientView = z
  .strictObject({
    clientId: z.string(),
    name: z.string(),
    authMethod: z.enum(['none', 'client_secret_basic', 'client_secret_post', 'private_key_jwt']),
    jwks: z.looseObject({ keys: z.array(z.looseObject({})) }).optional(),
    mayIntrospect: z.boolean(),
    scope: z.string().optional(),
    audience: z.array(z.string()).optional(),
    policy: clientPolicy,
    disabled: z.boolean(),
    secrets: z.int().describe('How many secrets are good: two while they are being rotated'),
  })
  .meta({ id: 'Client' });
