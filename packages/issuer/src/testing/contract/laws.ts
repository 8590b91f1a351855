import assert from 'node:assert/strict';
import type { Store, StoreTransaction } from '../../store/store.ts';
import type { Dump } from './dump.ts';
import { assertSame, dumpOf, rowsOf, toRows } from './dump.ts';
import type { Operation } from './operation.ts';
import { REJECTS } from './operation.ts';
import type { Outcome, TestedStore } from './tested-store.ts';
import { openFilled, openTwo, outcomeOf, whenFree } from './tested-store.ts';

type Invariant = (tested: TestedStore, operation: Operation) => Promise<void>;

/** The invariants of every operation that writes. */
export const LAWS: Readonly<Record<string, Invariant>> = {
  'writes what it says and nothing else, and no other reads see it before the commit': writesWhatItSays,
  'leaves nothing of a transaction, or of a savepoint, that rejects': leavesNothing,
  'leaves all or nothing when any of its statements fails': survivesFailures,
  'has one order when it comes from two connections at once': hasOneOrder,
};

const ROLLBACK = new Error('to roll back');
/** More statements than any operation of the samples has. */
const MAX_STATEMENTS = 500;

const firstOf = ({ answer }: Operation) => answer;
const secondOf = (operation: Operation) => ('again' in operation ? operation.again : operation.answer);
const expectedOf = (operation: Operation, before: Dump): Dump => ({ ...before, ...operation.changes(before) });

const expectedOfBoth = (operation: Operation, before: Dump): Dump => ({
  ...before,
  ...(operation.changesAgain ?? operation.changes)(before),
});

function isOutcome(outcome: Outcome, expected: unknown): boolean {
  if ('error' in outcome) return expected === REJECTS;
  return expected !== REJECTS && isSame(outcome.answer, expected);
}

function isSame(found: unknown, expected: unknown): boolean {
  try {
    assert.deepEqual(found, expected);
    return true;
  } catch {
    return false;
  }
}

async function writesWhatItSays(tested: TestedStore, operation: Operation): Promise<void> {
  const [store, other] = (await openTwo(tested, operation.given)) as [Store, Store];
  const before = await dumpOf(store);
  const expected = expectedOf(operation, before);
  const outcome = await outcomeOf(() =>
    store.transaction(async (tx) => {
      const answer = await operation.run(tx);
      assertSame(await dumpOf(store), before, 'reads see an open transaction');
      assertSame(await dumpOf(other), before, 'reads of another connection see an open transaction');
      assertSame(await rowsOf(tx), toRows(expected), 'a transaction does not see what it has written');
      return answer;
    }),
  );
  assert.ok(isOutcome(outcome, firstOf(operation)), `the answer is ${shown(outcome)}`);
  assertSame(await dumpOf(store), expected, 'after the commit');
  assertSame(await dumpOf(other), expected, 'after the commit, by another connection');
  const second = await outcomeOf(() => store.transaction((tx) => operation.run(tx)));
  assert.ok(isOutcome(second, secondOf(operation)), `the answer to the same call again is ${shown(second)}`);
  assertSame(await dumpOf(store), expectedOfBoth(operation, before), 'after the same call again');
}

async function leavesNothing(tested: TestedStore, operation: Operation): Promise<void> {
  const store = await openFilled(tested, operation.given);
  const before = await dumpOf(store);
  const rolledBack = store.transaction(async (tx) => {
    await operation.run(tx);
    throw ROLLBACK;
  });
  await assert.rejects(rolledBack, firstOf(operation) === REJECTS ? undefined : ROLLBACK);
  assertSame(await dumpOf(store), before, 'after the rollback');
  await store.transaction(async (tx) => {
    await tx.otherIssuers.add('https://before.example');
    const savepoint = tx.savepoint(async () => {
      await operation.run(tx);
      throw ROLLBACK;
    });
    await assert.rejects(savepoint, firstOf(operation) === REJECTS ? undefined : ROLLBACK);
    await tx.otherIssuers.add('https://behind.example');
  });
  const otherIssuers = [...before.otherIssuers, 'https://before.example', 'https://behind.example'].sort();
  assertSame(await dumpOf(store), { ...before, otherIssuers }, 'what was written around the savepoint');
}

async function survivesFailures(tested: TestedStore, operation: Operation): Promise<void> {
  const store = await openFilled(tested, operation.given);
  const before = await dumpOf(store);
  // Whether the work catches the error or not, the transaction is rolled back.
  const works: readonly ((tx: StoreTransaction) => Promise<unknown>)[] = [
    operation.run,
    (tx) => outcomeOf(() => operation.run(tx)),
  ];
  for (let number = 0; number < MAX_STATEMENTS; number += 1) {
    for (const work of works) {
      const failing = tested.failStatement(number);
      const outcome = await outcomeOf(() => store.transaction(work));
      failing.stop();
      if (!failing.hasFailed()) return expectWorking(store, operation, before, outcome);
      assert.ok('error' in outcome, `statement ${number} fails, and the transaction does not`);
      assertSame(await dumpOf(store), before, `after a failure of statement ${number}`);
    }
    await failInSavepoint(tested, store, operation, before, number);
  }
  assert.fail(`more than ${MAX_STATEMENTS} statements`);
}

/** The store continues to work after all these failures. */
async function expectWorking(store: Store, operation: Operation, before: Dump, outcome: Outcome): Promise<void> {
  assert.ok(isOutcome(outcome, firstOf(operation)), `the answer after failures is ${shown(outcome)}`);
  assertSame(await dumpOf(store), expectedOf(operation, before), 'after failures');
}

/** A failure of the work of a savepoint undoes that work alone; one of `savepoint` itself may undo the transaction. */
async function failInSavepoint(
  tested: TestedStore,
  store: Store,
  operation: Operation,
  before: Dump,
  number: number,
): Promise<void> {
  const outcome = await outcomeOf(() =>
    store.transaction(async (tx) => {
      const failing = tested.failStatement(number);
      const savepoint = await outcomeOf(() => tx.savepoint(() => operation.run(tx)));
      failing.stop();
      assert.ok(
        'error' in savepoint || !failing.hasFailed(),
        `statement ${number} fails, and the savepoint does not reject`,
      );
      // Rolled back, so that the next failure begins with the same rows.
      if (!('error' in savepoint)) throw ROLLBACK;
    }),
  );
  if ('error' in outcome && outcome.error instanceof assert.AssertionError) throw outcome.error;
  assertSame(await dumpOf(store), before, `after a failure of statement ${number} in a savepoint`);
}

async function hasOneOrder(tested: TestedStore, operation: Operation): Promise<void> {
  const stores = await openTwo(tested, operation.given);
  const [store] = stores as [Store];
  const before = await dumpOf(store);
  const outcomes = await Promise.all(
    stores.map((one) => outcomeOf(() => whenFree(() => one.transaction((tx) => operation.run(tx))))),
  );
  const [a, b] = outcomes as [Outcome, Outcome];
  const [first, second] = [firstOf(operation), secondOf(operation)];
  const isOrdered = (isOutcome(a, first) && isOutcome(b, second)) || (isOutcome(b, first) && isOutcome(a, second));
  assert.ok(isOrdered, `the answers are ${shown(a)} and ${shown(b)}`);
  for (const one of stores) assertSame(await dumpOf(one), expectedOfBoth(operation, before), 'after both');
}

function shown(outcome: Outcome): string {
  return 'error' in outcome ? `the error ${String(outcome.error)}` : JSON.stringify(outcome.answer ?? null);
}
