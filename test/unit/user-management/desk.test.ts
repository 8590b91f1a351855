import { RescindError } from '@rescind/revocation';
import type { AuditRecord } from '@rescind/user-management';
import { createDesk } from '@rescind/user-management';
import type { Request, Response } from 'express';
import { expect, test } from 'vitest';

const ENTRY = { seq: 1, at: 0, hash: '' };

/** One act of somebody whose token is good so many times, over an audit that is a list. */
async function act(timesGood: number) {
  const entries: AuditRecord[] = [];
  const desk = createDesk({
    record(record) {
      entries.push(record);
      return { ...record, ...ENTRY };
    },
    committed: () => undefined,
    refused: async (record) => void entries.push(record),
  });
  let asked = 0;
  const administrator = {
    who: 'sub:ada',
    scopes: new Set<string>(),
    async confirm() {
      if (++asked > timesGood) throw new RescindError('token_revoked');
    },
  };
  const { handle } = desk.acts({
    id: 'renameSomething',
    method: 'post',
    path: '/admin/something',
    summary: 'A name',
    tag: 'Something',
    responses: { 204: { description: 'Renamed' } },
    errors: [],
    targets: () => [],
    async act({ written }) {
      await written({ name: 'new' });
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
    await handle({} as Request, response as unknown as Response, input);
  } catch (thrown) {
    error = thrown;
  }
  return { error, results: entries.map(({ result, details }) => ({ result, details })) };
}

test('an act is written into the audit', async () => {
  expect(await act(2)).toEqual({ error: undefined, results: [{ result: 'done', details: { name: 'new' } }] });
});

test.each([
  ['before it', 0],
  ['while its transaction waited for its turn', 1],
])('an act is refused whose token was revoked %s', async (_when, timesGood) => {
  const { error, results } = await act(timesGood);
  expect(error).toMatchObject({ code: 'token_revoked' });
  expect(results).toEqual([{ result: 'token_revoked', details: {} }]);
});
