import { z } from 'zod';
import { clientJwks, clientMembers, clientPolicy } from '../oauth/clients-file.ts';

/** The administrator's explanation. It is in the audit only, neither in the event nor in the log. */
export const why = z
  .string()
  .min(1)
  .max(500)
  // All but control characters, in a form that means the same whether a dialect reads characters or units of UTF-16.
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are refused
  .regex(/^[^\u0000-\u001f\u007f-\u009f]+$/, 'must be one line')
  .refine((text) => text.isWellFormed(), 'must be text')
  .describe('Your explanation, in free text: stored in the audit only');

/** A stable word for the event, responses to clients, and metrics. */
export const reason = z
  .string()
  .regex(/^[a-z][a-z0-9_]{0,63}$/, 'must be a word such as roles_changed')
  .describe('A stable word for the event: lower case letters, digits, underscores');

/** The body of a command without further members. */
export const reasonlessBody = z.strictObject({ why });
export const reasonedBody = z.strictObject({ reason: reason.optional(), why });

/** As `reasonedBody`, with a default for `reason`, which is in the event. */
export const bodyWithReason = (defaultReason: string) => z.strictObject({ reason: reason.default(defaultReason), why });

/** Required for a command that may affect the tokens of more than one user. */
export const confirm = z
  .literal('everybody')
  .optional()
  .describe('Required for a command that may affect tokens of more than one user');

/** As `confirm`, or the number of sessions that the preview counted, for a command that compares it. */
export const confirmCount = z
  .union([z.literal('everybody'), z.int().min(0)])
  .describe(
    'Required for a command that may affect tokens of more than one user. A number, the greater of `sessions` and `affectedSessions` of the preview, refuses the command if it would affect more by now',
  );

export const id = z.string().min(1).max(256);

/** Milliseconds since 1970. */
export const millis = z.int().min(0).describe('Milliseconds since 1970-01-01T00:00:00Z');

/** The position of a revocation in the log. */
export const logPosition = {
  txn: z.string().describe('The id of the revocation'),
  epoch: z.string(),
  seq: z.int(),
};

export const instanceState = z
  .enum(['live', 'behind', 'lost', 'left', 'unknown'])
  .describe('lost: no report for 15 s; left: it said goodbye; unknown: too many are silent at once to call them lost');
/** What names an instance. */
export const instanceName = {
  id: z.string(),
  service: z.string().describe('The client whose credential the reports carry'),
  instance: z.string().describe('Its own name'),
};
const position = { epoch: z.string(), seq: z.int() };

/** How far a revocation has reached the instances that reported when it was committed. */
export const receipt = z
  .strictObject({
    of: z.int().describe('How many instances reported at the commit; never changes'),
    reached: z.int().describe('How many of them enforce it, durably'),
    left: z.int().describe('How many left, or were forgotten, before they did'),
    complete: z.boolean().describe('Whether none is missing, and there was one at all'),
    lastMs: z.number().nullable().describe('From the commit until the last of them denied; null: not known'),
    missing: z.array(z.strictObject({ ...instanceName, state: instanceState, ...position })),
    members: z.array(
      z.strictObject({
        ...instanceName,
        ms: z.number().nullable().describe('From the commit until it denied, at most, by the clock of the issuer'),
      }),
    ),
  })
  .meta({ id: 'Receipt' });

/** The revocation that a command made; null: there was nothing to cut off. */
export const revoked = z
  .strictObject({
    ...logPosition,
    endedSessions: z.int().optional(),
    receipt: receipt.optional().describe('Only for a request with `Prefer: wait`'),
  })
  .nullable();

/** By its authentication method: only `private_key_jwt` has keys. */
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
    secrets: z.int().describe('The number of valid secrets: two during a rotation'),
  })
  .meta({ id: 'Client' });
