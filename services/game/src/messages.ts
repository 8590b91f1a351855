import { z } from 'zod';
import { COLUMNS } from './four-in-a-row.ts';

/** The tables of all instances. Each has its home at one of them. */
export const TABLES = ['amber', 'birch', 'cedar', 'delta', 'ember', 'fjord', 'grove', 'heath'] as const;

const name = z
  .string()
  .trim()
  .min(1)
  .max(20)
  .regex(/^[\p{L}\p{N} ._'-]+$/u, "must be letters, digits, spaces and . _ ' -");

const action = z.discriminatedUnion('op', [
  z.strictObject({
    op: z.literal('drop'),
    column: z
      .int()
      .min(0)
      .max(COLUMNS - 1),
  }),
  z.strictObject({ op: z.literal('sit') }),
  z.strictObject({ op: z.literal('again') }),
]);

/** What a page sends, by its event. */
export const joinMessage = z.strictObject({ table: z.enum(TABLES), name });
export const actionMessage = action;

/** What one instance sends to the home of a table. */
export const linkRequest = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('join'),
    table: z.enum(TABLES),
    member: z.strictObject({ key: z.string(), person: z.string(), name }),
  }),
  z.strictObject({ type: z.literal('leave'), table: z.enum(TABLES), key: z.string() }),
  z.strictObject({ type: z.literal('act'), table: z.enum(TABLES), key: z.string(), action }),
]);

/** What the home of tables sends: the members that this instance reads. */
export const linkMessage = z.discriminatedUnion('type', [
  z.looseObject({
    type: z.literal('update'),
    update: z.looseObject({
      state: z.looseObject({ table: z.enum(TABLES), players: z.array(z.unknown()).length(2), watchers: z.int() }),
      seats: z.record(z.string(), z.literal([0, 1])),
    }),
  }),
  z.looseObject({ type: z.literal('refused'), key: z.string(), refusal: z.string() }),
]);

export type LinkRequest = z.output<typeof linkRequest>;
