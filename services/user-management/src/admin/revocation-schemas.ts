import { z } from 'zod';
import { confirm, id, logPosition, millis, reason, why } from './schemas.ts';

/** The default of `reason`. */
export const DEFAULT_REASON = 'revoked_by_administrator';
/** Cut-offs in one call; the body's cap comes first where values are long. */
const MAX_CUTOFFS = 200;

const value = z
  .string()
  .min(1)
  .max(1_024)
  .refine((text) => text.isWellFormed(), 'must be text');
const expiresAt = z.int().min(1).describe('When the last token that is meant expires, in milliseconds since 1970');
const endsSession = z.boolean().optional().describe('Default true; false: old tokens die, sessions go on');

/** Of this issuer, or of another one whose revocations this log publishes. */
const either = <S extends z.ZodRawShape>(shape: S) =>
  [z.strictObject(shape), z.strictObject({ ...shape, issuer: value, expiresAt })] as const;

/** The scopes of a cut-off. Of another `issuer` all but `kid` want `expiresAt`. */
const cutoff = z
  .union([
    z.strictObject({ token: z.string().min(1).max(8_192).describe('An access token: it alone is denied') }),
    z.strictObject({ claim: z.literal('jti'), value, expiresAt, issuer: value.optional() }),
    ...either({ claim: z.literal('sid'), value }),
    ...either({ claim: z.enum(['sub', 'client_id']), value, endsSession }),
    z.strictObject({ claim: z.literal('kid'), value, issuer: value.optional() }),
    ...either({ claim: z.literal('iss'), endsSession }),
    ...either({
      claim: z.string().regex(/^(?!(jti|sid|sub|client_id|kid|iss)$)[A-Za-z0-9_.:/-]{1,128}$/, 'must name a claim'),
      value,
    }),
  ])
  .meta({ id: 'Cutoff' });

const cutoffs = z.array(cutoff).min(1).max(MAX_CUTOFFS);

export type CutoffBody = z.output<typeof cutoff>;

export const revocationBody = z.strictObject({
  cutoffs,
  reason: reason.default(DEFAULT_REASON),
  why,
  confirm,
});
export const previewBody = z.strictObject({ cutoffs });
export const emergencyBody = z.strictObject({
  confirm: z.literal('everybody'),
  reason: reason.default('emergency'),
  why,
});

/** `?dryRun`: reports what would happen, and changes nothing. */
export const dryRunQuery = z.strictObject({ dryRun: z.enum(['', 'true', 'false']).optional() });

export const revocationAnswer = z.strictObject({
  ...logPosition,
  endedSessions: z.int().describe('How many open sessions it ended'),
});

export const preview = z
  .strictObject({
    sessions: z.int().describe('How many open sessions would end'),
    sids: z.array(z.string()).describe('The first 100 of them'),
    subjects: z.int().describe('Of how many users'),
    affectedSessions: z.int().describe('How many sessions hold tokens that would be denied, ending or not; at most'),
    affectedSubjects: z.int().describe('Of how many users those are; at most'),
    tokensUntil: millis.nullable().describe('When the last token that is denied would have expired; null: never'),
  })
  .meta({ id: 'Preview' });

export const revocationState = z
  .strictObject({
    ...logPosition,
    reason: z.string(),
    deny: z.array(
      z.strictObject({
        iss: z.string(),
        claim: z.string(),
        value: z.string(),
        issuedUntil: millis.nullable().describe('Denied is what was issued up to then; null: whenever it was'),
        expiresAt: millis.nullable().describe('Forgotten after that; null: never'),
        endsSession: z.boolean(),
      }),
    ),
    appendedAt: millis,
    published: z.boolean().describe('Whether Kafka has it; without Kafka readers read the log itself: true'),
    expiresAt: millis.nullable(),
  })
  .meta({ id: 'Revocation' });

export const explainBody = z.union([
  z.strictObject({ token: z.string().min(1).max(8_192) }),
  z.strictObject({ claims: z.record(z.string(), z.unknown()), kid: id.optional() }),
]);

export const explanation = z
  .strictObject({
    wrong: z
      .strictObject({ code: z.string(), detail: z.string().nullable() })
      .nullable()
      .describe('What is wrong with it apart from revocation; null: nothing'),
    revoked: z.boolean().nullable().describe('Null: its claims are not to be trusted, so it cannot be known'),
    entries: z
      .array(
        z.strictObject({
          iss: z.string(),
          claim: z.string(),
          value: z.string(),
          ...logPosition,
          reason: z.string(),
          endsSession: z.boolean(),
          issuedUntil: z.int().nullable(),
          expiresAt: z.int().nullable(),
          since: millis.nullable().describe('When it was appended to the log; null: not known any more'),
        }),
      )
      .describe('What refuses it, the one that counts first'),
    issuedAt: z.int().nullable().describe('When it counts as issued'),
    claims: z.record(z.string(), z.unknown()).nullable().describe('Of a token that this issuer signed'),
  })
  .meta({ id: 'Explanation' });
