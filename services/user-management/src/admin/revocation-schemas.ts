import { z } from 'zod';
import { confirmCount, id, logPosition, millis, reason, receipt, why } from './schemas.ts';

/** The default of `reason`. */
export const DEFAULT_REASON = 'revoked_by_administrator';
/** Cut-offs in one call; the body's cap comes first where values are long. */
const MAX_CUTOFFS = 200;

const value = z
  .string()
  .min(1)
  .max(1_024)
  .refine((text) => text.isWellFormed(), 'must be text');
const expiresAt = z.int().min(1).describe('The `exp` of the last token that it denies, in milliseconds since 1970');
const endsSession = z
  .boolean()
  .optional()
  .describe('Whether sessions end, too. Default true. False: it denies tokens issued until now, and sessions continue');

/** Of this issuer, or of another one whose revocations this log publishes. */
const either = <S extends z.ZodRawShape>(shape: S) =>
  [z.strictObject(shape), z.strictObject({ ...shape, issuer: value, expiresAt })] as const;

/** A cut-off. One of another `issuer` requires `expiresAt`, unless it is by `kid`. */
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
  confirm: confirmCount.optional(),
});
export const previewBody = z.strictObject({ cutoffs });
export const emergencyBody = z.strictObject({
  confirm: confirmCount,
  reason: reason.default('emergency'),
  why,
});

/** `?dryRun`: reports what would happen, and changes nothing. */
export const dryRunQuery = z.strictObject({ dryRun: z.enum(['', 'true', 'false']).optional() });

export const revocationAnswer = z.strictObject({
  ...logPosition,
  endedSessions: z.int().describe('How many open sessions it ended'),
  receipt: receipt.optional().describe('Only for a request with `Prefer: wait`'),
});

export const preview = z
  .strictObject({
    sessions: z.int().describe('How many open sessions would end'),
    sids: z.array(z.string()).describe('The first 100 of them'),
    subjects: z.int().describe('Of how many users'),
    affectedSessions: z
      .int()
      .describe('An upper bound of the sessions with tokens that it would deny, whether they end or not'),
    affectedSubjects: z.int().describe('An upper bound of the users of those sessions'),
    administrators: z.int().describe('An upper bound of the users among them who have a scope of administration'),
    tokensUntil: millis.nullable().describe('When the last token that it denies expires; null: never'),
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
        issuedUntil: millis.nullable().describe('It denies tokens issued until then; null: all of them'),
        expiresAt: millis.nullable().describe('When it is deleted; null: never'),
        endsSession: z.boolean(),
      }),
    ),
    appendedAt: millis,
    published: z
      .boolean()
      .describe('Whether Kafka has acknowledged it; true without Kafka, because readers read the log itself'),
    expiresAt: millis.nullable(),
  })
  .meta({ id: 'Revocation' });

export const revocationWithReceipt = revocationState.extend({ receipt }).meta({ id: 'RevocationWithReceipt' });

export const explainBody = z.union([
  z.strictObject({ token: z.string().min(1).max(8_192) }),
  z.strictObject({ claims: z.record(z.string(), z.unknown()), kid: id.optional() }),
]);

export const explanation = z
  .strictObject({
    error: z
      .strictObject({ code: z.string(), detail: z.string().nullable() })
      .nullable()
      .describe('The reason other than a revocation for which it is refused; null: there is none'),
    revoked: z
      .boolean()
      .nullable()
      .describe('Whether a cut-off denies it; null: unknown, because its claims cannot be trusted'),
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
          since: millis.nullable().describe('When it was appended to the log; null: unknown'),
        }),
      )
      .describe('The cut-offs that deny it; error responses name the first'),
    issuedAt: z
      .int()
      .nullable()
      .describe('The time that cut-offs compare with, in milliseconds since 1970; null: without a usable `iat`'),
    claims: z
      .record(z.string(), z.unknown())
      .nullable()
      .describe('The claims of a token that this issuer signed; null for any other'),
  })
  .meta({ id: 'Explanation' });
