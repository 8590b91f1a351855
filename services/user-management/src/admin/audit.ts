import type { Operation } from '@rescind/service/http';
import { pageOf, pageQuery, wholeNumber } from '@rescind/service/http';
import { z } from 'zod';
import type { AuditTable } from '../audit/table.ts';
import { verifyAudit } from '../audit/table.ts';
import type { AdminRouter } from './router.ts';
import { id, millis } from './schemas.ts';

const entry = z
  .strictObject({
    seq: z.int(),
    at: millis,
    who: z.string().describe('`operator:<name>`, `sub:<user>`, `configuration` or `unknown`'),
    operation: z.string().describe('The id of the operation'),
    targets: z.array(z.string()).describe('The objects that it changes, such as `sub:<user>`'),
    reason: z.string().nullable(),
    why: z.string().nullable(),
    result: z.string().describe('`done`, or the error code of the refusal'),
    requestId: z.string().describe('Empty if no request caused it'),
    details: z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()])),
    hash: z.string().describe('SHA-256 of this entry and of the hash before'),
  })
  .meta({ id: 'AuditEntry' });

const GREATEST_MS = 999_999_999_999_999;
const time = wholeNumber(0, GREATEST_MS);
const listQuery = pageQuery.extend({
  after: time.optional().describe('`next` of the page before'),
  who: id.optional(),
  operation: id.optional(),
  target: id.optional(),
  result: id.optional(),
  since: time.optional().describe('Milliseconds since 1970'),
  until: time.optional().describe('Milliseconds since 1970'),
});

const verification = z.strictObject({
  intact: z.boolean(),
  entries: z.int(),
  hash: z
    .string()
    .describe('The last hash. Compare it with the last `admin_act` line of a log that is stored elsewhere'),
  broken: z.strictObject({ seq: z.int(), why: z.enum(['missing', 'altered']) }).nullable(),
});

/** Lists the audit, and verifies that it is complete and unchanged. */
export function auditOperations(table: AuditTable, router: AdminRouter): Operation[] {
  const entries = router.area({ tag: 'Audit', scopes: 'admin:audit', path: '/admin/audit' });
  return [
    entries.query({
      id: 'listAudit',
      summary: 'Commands of administrators, executed or refused, the latest first',
      query: listQuery,
      responses: { 200: { description: 'A page of it', schema: pageOf(entry) } },
      read({ query: { limit, after, ...filter } }) {
        const items = table.latest(filter, { before: after, limit });
        const last = items.length === limit ? items.at(-1)?.seq : undefined;
        return { items, ...(last === undefined ? {} : { next: String(last) }) };
      },
    }),

    entries.query({
      id: 'verifyAudit',
      path: '/verification',
      summary: 'Whether every entry is present and unchanged',
      responses: { 200: { description: 'The result, with the first break', schema: verification } },
      read: () => verifyAudit(table),
    }),
  ];
}
