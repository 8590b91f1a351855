import assert from 'node:assert/strict';
import type { EpochMillis } from '@rescind/revocation';
import fc from 'fast-check';
import type { Store, StoreTransaction } from '../../store/store.ts';
import { bytes, cutoff, EXP, ISSUER, minted, session } from './samples.ts';
import type { TestedStore } from './tested-store.ts';
import { openTwo, outcomeOf, whenFree } from './tested-store.ts';

interface Step {
  readonly kind: 'login' | 'refresh' | 'cut off';
  readonly connection: 0 | 1;
  /** The time of the wall clock of that connection, in ms from the floor at the beginning. */
  readonly wall: number;
  /** Whether its work throws at the end. */
  readonly fails: boolean;
}

const step: fc.Arbitrary<Step> = fc.record({
  kind: fc.constantFrom('login', 'refresh', 'cut off'),
  connection: fc.constantFrom(0, 1),
  wall: fc.integer({ min: -3, max: 3 }),
  fails: fc.nat({ max: 4 }).map((one) => one === 0),
});

/** A committed step, with its position in the order of the commits. */
interface Committed {
  readonly kind: Step['kind'];
  readonly position: number;
  /** The time of the token, or the T of the cut-off. */
  readonly at: EpochMillis;
  readonly sid?: string;
}

const RUNS = 60;
const FAILED = new Error('of the work');

/**
 * Tests that a cut-off denies the tokens minted before it and none minted after it, in the same millisecond too, whatever the clocks of two
 * connections show, whatever they do at once, and whatever is rolled back. A refresh token is exchanged once, and never after its
 * session has ended.
 */
export async function keepsMintingOrder(tested: TestedStore): Promise<void> {
  const stores = await openTwo(tested);
  let run = 0;
  const property = fc.asyncProperty(
    fc.array(step, { minLength: 3, maxLength: 10 }),
    fc.scheduler(),
    async (steps, scheduler) => {
      run += 1;
      await play({ stores, steps, sub: `sub-${run}`, pause: () => scheduler.schedule(Promise.resolve()), scheduler });
    },
  );
  await fc.assert(property, { numRuns: RUNS });
}

interface Scenario {
  readonly stores: readonly Store[];
  readonly steps: readonly Step[];
  readonly sub: string;
  /** Lets the other operations continue before this one. */
  pause(): Promise<unknown>;
  readonly scheduler: Pick<fc.Scheduler, 'waitFor'>;
}

async function play({ stores, steps, sub, pause, scheduler }: Scenario): Promise<void> {
  const [first] = stores as [Store];
  const start = await first.read.meta.clockFloor();
  const committed: Committed[] = [];
  // All refreshes use this session, and present the same token.
  const sid = await begin(first, sub);

  const running = steps.map(async ({ kind, connection, wall, fails }, index) => {
    const store = stores[connection] ?? first;
    const outcome = await outcomeOf(() =>
      whenFree(() =>
        store.transaction(async (tx) => {
          await pause();
          const at = Math.max(start + wall, await tx.meta.clockFloor());
          const position = await moveHead(tx);
          await pause();
          const found = await perform(tx, { kind, at, position, sub, sid, token: `${sub}-${index}` });
          await pause();
          if (fails) throw FAILED;
          return found;
        }),
      ),
    );
    if ('error' in outcome) assert.ok(fails && outcome.error === FAILED, String(outcome.error));
    else if (outcome.answer !== undefined) committed.push(outcome.answer as Committed);
  });
  await scheduler.waitFor(Promise.all(running));
  await check(first, sub, committed);
}

async function begin(store: Store, sub: string): Promise<string> {
  const sid = `${sub}-s`;
  const now = await store.read.meta.clockFloor();
  await store.transaction((tx) => insertSession(tx, sid, sub, now));
  return sid;
}

function insertSession(tx: StoreTransaction, sid: string, sub: string, at: EpochMillis): Promise<void> {
  const times = { createdAt: at, authTime: at, lastUsedAt: at, idleExpiresAt: EXP, absoluteExpiresAt: EXP };
  return tx.sessions.insert({ ...session(1, sub, 'web'), sid, selector: sid, verifierHash: bytes('first'), ...times });
}

/** The position in the order of the commits. */
async function moveHead({ meta }: StoreTransaction): Promise<number> {
  const position = ((await meta.identity())?.head ?? 0) + 1;
  await meta.moveHead(position, `id-${position}`);
  return position;
}

interface OperationInput {
  readonly kind: Step['kind'];
  readonly at: EpochMillis;
  readonly position: number;
  readonly sub: string;
  readonly sid: string;
  /** The `jti`, unique for each step. */
  readonly token: string;
}

async function perform(tx: StoreTransaction, performing: OperationInput): Promise<Committed | undefined> {
  const { kind, at, position, sub, sid, token } = performing;
  if (kind === 'cut off') {
    // Tokens that are minted later have a later time.
    await tx.meta.raiseClockFloor(at + 1);
    await tx.sessions.end('sub', sub, at, 'because', at);
    await tx.revocations.merge(cutoff('sub', sub, { issuedUntil: at, sessionUntil: at, seq: position }));
    return { kind, position, at };
  }
  await tx.meta.raiseClockFloor(at);
  if (kind === 'login') {
    await insertSession(tx, token, sub, at);
    await tx.sessions.mint(minted(1, { sid: token, at, jti: token, exp: EXP, idleExpiresAt: EXP }));
    return { kind, position, at, sid: token };
  }
  const rotation = { formerHash: bytes('first'), formerDigest: bytes('first'), nextHash: bytes(token), sealed: null };
  const next = minted(1, { sid, at, jti: token, exp: EXP, idleExpiresAt: EXP });
  return (await tx.sessions.rotate(next, rotation)) ? { kind, position, at, sid } : undefined;
}

async function check({ read }: Store, sub: string, committed: readonly Committed[]): Promise<void> {
  const cutOffs = committed.filter(({ kind }) => kind === 'cut off');
  const until = (await read.revocations.row(ISSUER, 'sub', sub))?.issuedUntil ?? -1;
  for (const { kind, position, at, sid = '' } of committed) {
    if (kind === 'cut off') continue;
    for (const cutOff of cutOffs) assert.equal(at <= cutOff.at, position < cutOff.position, 'the order of times');
    const isCutOff = cutOffs.some((cutOff) => cutOff.position > position);
    assert.equal(at <= until, isCutOff, 'what the row denies');
    const ended = (await read.sessions.find(sid))?.endedAt !== null;
    assert.equal(ended, isCutOff, 'whether the session has ended');
  }
  const refreshes = committed.filter(({ kind }) => kind === 'refresh');
  assert.ok(refreshes.length <= 1, 'a refresh token is exchanged once');
  for (const { position } of refreshes) {
    assert.ok(!cutOffs.some((cutOff) => cutOff.position < position), 'a session that has ended is not refreshed');
  }
}
