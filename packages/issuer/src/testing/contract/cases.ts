import assert from 'node:assert/strict';
import type { Store, StoreTransaction } from '../../store/store.ts';
import { dumpOf } from './dump.ts';
import { bytes, EXP, ISSUER, minted, START, session } from './samples.ts';
import type { TestedStore } from './tested-store.ts';
import { openFilled, openTwo, outcomeOf, whenFree } from './tested-store.ts';

type Case<Sql> = (tested: TestedStore<Sql>) => Promise<void>;

/** The invariants of transactions. */
export function transactionCases<Sql>(): Readonly<Record<string, Case<Sql>>> {
  return {
    async 'transactions run one after another, in the order of the calls'(tested) {
      const store = await openFilled(tested);
      const steps: string[] = [];
      const running = ['a', 'b', 'c'].map((name) =>
        store.transaction(async (tx) => {
          steps.push(`${name} begins`);
          await tx.meta.clockFloor();
          await new Promise((resolve) => setImmediate(resolve));
          await tx.otherIssuers.add(`https://${name}.example`);
          steps.push(`${name} ends`);
        }),
      );
      await Promise.all(running);
      const expected = ['a', 'b', 'c'].flatMap((name) => [`${name} begins`, `${name} ends`]);
      assert.deepEqual(steps, expected);
    },

    async 'a transaction inside of another is refused, and the outer one goes on'(tested) {
      const store = await openFilled(tested);
      await store.transaction(async (tx) => {
        await assert.rejects(store.transaction(async () => undefined));
        await tx.otherIssuers.add('https://outer.example');
      });
      assert.ok((await store.read.otherIssuers.all()).includes('https://outer.example'));
    },

    async 'one that rejects does not hold up the next'(tested) {
      const store = await openFilled(tested);
      const failing = store.transaction(async () => {
        throw new Error('of the work');
      });
      const next = store.transaction(async (tx) => tx.meta.clockFloor());
      await assert.rejects(failing, /of the work/);
      assert.equal(await next, START + 30);
    },

    async 'a method that is called after the end is refused, also one taken before'(tested) {
      const store = await openFilled(tested);
      const late: (() => Promise<unknown>)[] = [];
      await store.transaction(async (tx) => {
        const { sessions, otherIssuers } = tx;
        const { rename } = sessions;
        late.push(
          async () => tx.sessions.rename('s-1', 'late'),
          async () => sessions.rename('s-1', 'late'),
          async () => rename('s-1', 'late'),
          async () => otherIssuers.add('https://late.example'),
          async () => tx.savepoint(() => sessions.rename('s-1', 'late')),
          async () => tested.writeHostRow(tx.sql, 'late'),
        );
      });
      const before = await dumpOf(store);
      for (const call of late) await assert.rejects(call);
      // Also while another transaction is open: the call must not write into that one.
      await store.transaction(async () => {
        for (const call of late.slice(0, -1)) await assert.rejects(call);
      });
      assert.deepEqual(await dumpOf(store), before);
    },

    async 'rows of the host commit, and are rolled back, with the transaction'(tested) {
      const [store, other] = (await openTwo(tested)) as [Store<Sql>, Store<Sql>];
      const failing = store.transaction(async (tx) => {
        await tested.writeHostRow(tx.sql, 'lost');
        await tx.sessions.rename('s-1', 'lost');
        throw new Error('of the work');
      });
      await assert.rejects(failing, /of the work/);
      await store.transaction(async (tx) => {
        await outcomeOf(() =>
          tx.savepoint(async () => {
            await tested.writeHostRow(tx.sql, 'undone');
            throw new Error('of the work');
          }),
        );
        await tested.writeHostRow(tx.sql, 'kept');
        assert.deepEqual(await tested.hostRows(tx.sql), ['kept']);
        assert.deepEqual(await tested.hostRows(other.read.sql), other === store ? ['kept'] : []);
      });
      for (const one of [store, other]) assert.deepEqual(await tested.hostRows(one.read.sql), ['kept']);
    },

    async 'a failure of any statement, with rows of several tables and of the host, leaves all or nothing'(tested) {
      const store = await openFilled(tested);
      const before = await dumpOf(store);
      for (let number = 0; ; number += 1) {
        const failing = tested.failStatement(number);
        const outcome = await outcomeOf(() => store.transaction((tx) => decide(tx, tested)));
        failing.stop();
        if (!failing.hasFailed()) {
          assert.ok(!('error' in outcome));
          break;
        }
        assert.ok('error' in outcome, `statement ${number} fails, and the transaction does not`);
        assert.deepEqual(await dumpOf(store), before);
        assert.deepEqual(await tested.hostRows(store.read.sql), []);
      }
      assert.deepEqual(await tested.hostRows(store.read.sql), ['decided']);
      assert.equal((await store.read.sessions.find('s-5'))?.newestJti, 'jti-5');
    },

    async 'a rollback of which any statement fails leaves nothing, and the store goes on'(tested) {
      const store = await openFilled(tested);
      const before = await dumpOf(store);
      for (let number = 0, isReached = true; isReached; number += 1) {
        const failing = tested.failStatement(number);
        const rolledBack = store.transaction(async (tx) => {
          await decide(tx, tested);
          throw new Error('of the work');
        });
        await assert.rejects(rolledBack);
        failing.stop();
        isReached = failing.hasFailed();
        assert.deepEqual(await dumpOf(store), before);
        assert.equal(await store.transaction(async (tx) => tx.meta.clockFloor()), before.meta.clockFloor);
      }
    },

    async 'of many from two connections at once each sees all that were before it'(tested) {
      const stores = await openTwo(tested);
      const [store] = stores as [Store<Sql>];
      const writing = Array.from({ length: 20 }, (_, index) => stores[index % 2] ?? store).map((one) =>
        whenFree(() =>
          one.transaction(async (tx) => {
            const head = (await tx.meta.identity())?.head ?? 0;
            await tx.meta.moveHead(head + 1, `id-${head + 1}`);
            return head + 1;
          }),
        ),
      );
      const heads = await Promise.all(writing);
      assert.deepEqual(
        heads.sort((a, b) => a - b),
        Array.from({ length: 20 }, (_, index) => 5 + index),
      );
      assert.equal(store.log.identity()?.head, 24);
    },

    async 'close waits for the transaction that runs'(tested) {
      const store = await openFilled(tested);
      const running = store.transaction(async (tx) => {
        await new Promise((resolve) => setImmediate(resolve));
        await tx.otherIssuers.add('https://last.example');
        return 'done';
      });
      await store.close();
      assert.equal(await running, 'done');
    },

    async 'a store that is closed answers nothing'(tested) {
      const store = await openFilled(tested);
      await store.close();
      await assert.rejects(async () => store.read.sessions.find('s-1'));
      await assert.rejects(async () => store.read.revocations.row(ISSUER, 'sid', 's-4'));
      assert.throws(() => store.log.identity());
      await assert.rejects(store.transaction(async (tx) => tx.meta.clockFloor()));
    },

    async 'maintain and excess may be called at any time'(tested) {
      const store = await openFilled(tested);
      store.maintain();
      assert.equal(store.overLimit(), undefined);
      await store.transaction(async () => store.maintain());
    },
  };
}

/** What a login writes, and a row of the host. */
async function decide<Sql>(tx: StoreTransaction<Sql>, tested: TestedStore<Sql>): Promise<void> {
  await tx.sessions.insert(session(5, 'bob', 'app'));
  await tested.writeHostRow(tx.sql, 'decided');
  await tx.sessions.mint(minted(5));
  await tx.clients.takeAssertion('web', bytes('assertion-2'), EXP);
  await tx.meta.raiseClockFloor(START + 60);
}
