import { z } from 'zod';

/** In the administrator's own words. Only the audit has it: never the event, never the log. */
export const why = z
  .string()
  .min(1)
  .max(500)
  // Everything but control characters, in words that every dialect of expressions has.
  .regex(/^[ -~\u00a0-\uffff]+$/, 'must be one line')
  .refine((text) => text.isWellFormed(), 'must be text')
  .describe('Why, in your own words: kept in the audit and nowhere else');

/** A stable word: in the event, in answers to clients, in metrics. */
export const reason = z
  .string()
  .regex(/^[a-z][a-z0-9_]{0,63}$/, 'must be a word such as roles_changed')
  .describe('A stable word that stands in the event: lower case letters, digits, underscores');

/** What an act wants that has nothing else to be told. */
export const statedBody = z.strictObject({ why });
export const reasonedBody = z.strictObject({ reason: reason.optional(), why });

/** The same where the word stands in the event: this one where none is given. */
export const bodyWithReason = (word: string) => z.strictObject({ reason: reason.default(word), why });

/** Required where an act may concern the tokens of more than one person. */
export const confirm = z
  .literal('everybody')
  .optional()
  .describe('Required where the act may concern tokens of more than one person or session');

export const id = z.string().min(1).max(256);

/** Milliseconds since 1970. */
export const millis = z.int().min(0).describe('Milliseconds since 1970-01-01T00:00:00Z');

/** Where a revocation stands in the log. */
export const place = {
  txn: z.string().describe('The id of the revocation'),
  epoch: z.string(),
  seq: z.int(),
};

/** The revocation that an act brought about; null: there was nothing to cut off. */
export const revoked = z.strictObject({ ...place, endedSessions: z.int().optional() }).nullable();
