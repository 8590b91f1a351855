import { RescindError } from '@rescind/revocation';
import type { Audit, AuditRecord } from '@rescind/user-management';
import { createAdminRouter } from '@rescind/user-management';
import type { Request, Response } from 'express';
import { expect, test } from 'vitest';

const AS_ISSUER = { userEvents: { as: <T>(_actor: string, work: () => T) => work() } };
const INSTANCES = { wait: () => Promise.reject(new Error('nobody waits')) };
const ENTRY = { seq: 1, at: 0, hash: '' };

/** Runs a command of an administrator whose token is accepted so many times, with an audit that is a list. */
async function run(timesGood: number, scopesOf: (time: number) => readonly string[] = () => ['admin:users:write']) {
  const entries: AuditRecord[] = [];
  const audit: Audit = {
    record(record) {
      entries.push(record);
      return { ...record, ...ENTRY };
    },
    committed: () => undefined,
    refused: async (record) => void entries.push(record),
  };
  const router = createAdminRouter(audit, { ...AS_ISSUER, instances: INSTANCES });
  let asked = 0;
  const administrator = {
    who: 'sub:ada',
    scopes: new Set<string>(),
    async confirm() {
      if (++asked > timesGood) throw new RescindError('token_revoked');
      return { scopes: new Set(scopesOf(asked)) };
    },
  };
  const { handle } = router.area({ tag: 'Something', path: '/admin/something', scopes: 'admin:users' }).command({
    id: 'renameSomething',
    summary: 'A name',
    responses: { 204: { description: 'Renamed' } },
    targets: () => [],
    async execute({ writeAudit }) {
      await writeAudit({ name: 'new' });
      return undefined;
    },
  });
  const response = {
    locals: { administrator },
    getHeader: () => 'r1',
    set: () => response,
    status: () => response,
    end: () => response,
  };
  const input = { params: undefined, query: undefined, body: { why: 'a test' } };
  let error: unknown;
  try {
    await handle({ headers: {} } as Request, response as unknown as Response, input);
  } catch (thrown) {
    error = thrown;
  }
  return { error, results: entries.map(({ result, details }) => ({ result, details })) };
}

test('writes a command into the audit', async () => {
  expect(await run(2)).toEqual({ error: undefined, results: [{ result: 'done', details: { name: 'new' } }] });
});

test('refuses a command whose operator lost its scope while the transaction waited', async () => {
  const { error, results } = await run(2, (time) => (time === 1 ? ['admin:users:write'] : ['admin:users:read']));
  expect(error).toMatchObject({ code: 'scope_insufficient' });
  expect(results).toEqual([{ result: 'scope_insufficient', details: {} }]);
});

test.each([
  ['before the command', 0],
  ['while its transaction waited', 1],
])('refuses a command whose token was revoked %s', async (_when, timesGood) => {
  const { error, results } = await run(timesGood);
  expect(error).toMatchObject({ code: 'token_revoked' });
  expect(results).toEqual([{ result: 'token_revoked', details: {} }]);
});

test('requires targets of a command, or of its area', () => {
  const router = createAdminRouter(
    {
      record: () => ENTRY as never,
      committed: () => undefined,
      refused: async () => {},
    },
    { ...AS_ISSUER, instances: INSTANCES },
  );
  const area = router.area({ tag: 'Something', path: '/admin/something' });
  const definition = { id: 'rename', summary: 'A name', responses: {}, execute: () => undefined };
  expect(() => area.command(definition)).toThrow(TypeError);
});

test('holds no place for a caller that has gone before its command was done', async () => {
  const audit: Audit = {
    record: (record) => ({ ...record, ...ENTRY }),
    committed: () => undefined,
    refused: async () => undefined,
  };
  const waits: { ms: number; isGone: boolean | undefined }[] = [];
  const instances = {
    async wait(_question: object, ms: number, signal?: AbortSignal) {
      waits.push({ ms, isGone: signal?.aborted });
      return {} as never;
    },
  };
  const router = createAdminRouter(audit, { ...AS_ISSUER, instances });
  const { handle } = router.area({ tag: 'Something', path: '/admin/something' }).command({
    id: 'endSomething',
    summary: 'An end',
    responses: { 200: { description: 'Ended' } },
    targets: () => [],
    async execute({ writeAudit }) {
      await writeAudit();
      return { txn: 't', epoch: 'e', seq: 1 };
    },
  });
  const run = (prefer: string, closed: boolean) => {
    const response = {
      locals: {
        administrator: { who: 'sub:ada', scopes: new Set(), confirm: async () => ({ scopes: new Set<string>() }) },
      },
      closed,
      on: () => response,
      getHeader: () => 'r1',
      set: () => response,
      status: () => response,
      json: () => response,
    };
    const input = { params: undefined, query: undefined, body: { why: 'a test' } };
    return handle({ headers: { prefer } } as unknown as Request, response as unknown as Response, input);
  };
  await run('wait=5', true);
  // The first preference counts, at most 10 s; what is no preference waits for nothing.
  for (const prefer of [`wait=${'9'.repeat(400)}`, 'x="wait=1", wait=3, wait=9', `${' '.repeat(8_000)}wait=1`])
    await run(prefer, false);
  for (const prefer of ['wait=1e9', 'wait=-1', 'wait=0x10', 'wait=1 2']) await run(prefer, false);
  expect(waits).toEqual([
    { ms: 5_000, isGone: true },
    { ms: 10_000, isGone: false },
    { ms: 3_000, isGone: false },
    { ms: 1_000, isGone: false },
  ]);
});
