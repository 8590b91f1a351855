import { z } from 'zod';
import { clientId, scope } from '../http/bodies.ts';

/** Unknown parameters are ignored (RFC 6749 section 3.2). */
export const tokenForm = z.object({
  grant_type: z.string({ error: 'must be given' }),
  refresh_token: z.string().max(512).optional(),
  client_id: clientId,
  scope,
});
export const revokeForm = z.object({
  token: z.string({ error: 'must be given' }).max(16_384),
  token_type_hint: z.string().optional(),
  client_id: clientId,
});
