import { setTimeout as delay } from 'node:timers/promises';
import type { Ledger } from './ledger.ts';
import { acknowledgementOf, attemptOf } from './ledger.ts';
import type { Node } from './node.ts';
import type { Oracle } from './oracle.ts';
import type { TopicAccess } from './topic.ts';
import { outboxSequences } from './topic.ts';
import type { Watch } from './watch.ts';
import type { Workload } from './workload.ts';
import type { World } from './world.ts';

/** How long the fleet has to converge after the last fault has ended. */
const SETTLE_MS = 30_000;
/** How long a token has to be accepted, and then denied, by every instance. */
const DELIVERY_MS = 5_000;
const POLL_MS = 100;
/** How many of the newest sessions are refreshed at the end of a round, and of the newest revoked and valid tokens every instance is asked about. Of ended sessions, twice as many. */
const SWEPT = 80;

export interface SettleOptions {
  readonly world: World;
  readonly ledger: Ledger;
  readonly oracle: Oracle;
  readonly watch: Watch;
  readonly workload: Workload;
  readonly now: () => number;
}

/** How long it took, ms, and what was last missing until then; or what was missing at the end of the time. */
export type Settled = { readonly ms: number; readonly last: string | undefined } | { readonly missing: string };

/** Waits until the fleet has converged: every view complete at the head of the issuer, a new session accepted and denied everywhere. */
export async function settle(options: SettleOptions): Promise<Settled> {
  const { now } = options;
  const startedAt = now();
  let last: string | undefined;
  const until = async (find: () => Promise<string | undefined>): Promise<string | undefined> => {
    let missing = await find();
    while (missing !== undefined && now() - startedAt < SETTLE_MS) {
      last = missing;
      await delay(POLL_MS);
      missing = await find();
    }
    return missing;
  };
  const missing =
    (await until(() => notConverged(options.world))) ?? (await until(() => notDelivered(options))) ?? undefined;
  return missing === undefined ? { ms: now() - startedAt, last } : { missing };
}

async function notConverged({ issuer, instances }: World): Promise<string | undefined> {
  const { status, body } = await issuer.process.health();
  const database = body.checks?.find(({ name }) => name === 'database');
  const relay = body.checks?.find(({ name }) => name === 'relay');
  if (status !== 200) return `the issuer answers ${status}: ${failing(body)}`;
  if (relay?.lagEvents !== 0) return `the relay lags: ${JSON.stringify(relay)}`;
  for (const { process } of instances) {
    const { status: ready, body: state } = await process.health();
    const feed = state.checks?.find(({ name }) => name === 'feed');
    if (ready !== 200) return `${process.name} answers ${ready}: ${failing(state)}`;
    const isAtHead = feed?.epoch === database?.epoch && Number(feed?.seq) >= Number(database?.head);
    if (!isAtHead || feed?.complete !== true) return `${process.name} is not at the head: ${JSON.stringify(feed)}`;
  }
  return undefined;
}

const failing = ({ checks = [] }: Awaited<ReturnType<Node['process']['health']>>['body']) =>
  JSON.stringify(checks.filter(({ status }) => status !== 'pass'));

/** A session that begins now is accepted by every instance; after its logout every instance denies it. */
async function notDelivered({ world, watch, workload, now }: SettleOptions): Promise<string | undefined> {
  const session = await workload.login();
  const token = session?.tokens[0];
  if (session === undefined || token === undefined) return 'a new user cannot log in';
  const ask = () => Promise.all(world.instances.map((node) => watch.ask(node, token)));
  const end = now() + DELIVERY_MS;
  const untilAll = async (verdict: string) => {
    let verdicts = await ask();
    while (verdicts.some((one) => one !== verdict) && now() < end) {
      await delay(POLL_MS);
      verdicts = await ask();
    }
    return verdicts.every((one) => one === verdict) ? undefined : `a new token is answered ${verdicts.join(', ')}`;
  };
  const refused = await untilAll('200');
  if (refused !== undefined) return refused;
  if (!(await workload.logout(session))) return 'a new session cannot be logged out';
  return untilAll('token_revoked');
}

/**
 * Refreshes many sessions, for the oracle, and asks each instance about many tokens, revoked and valid.
 * @returns which valid tokens are not accepted, and which revoked ones are not refused as revoked
 */
export async function sweep({ world, ledger, watch, workload }: SettleOptions): Promise<string[]> {
  await workload.refreshNewest(SWEPT);
  await workload.refreshEnded(2 * SWEPT);
  const revoked = ledger.tokens.filter((token) => acknowledgementOf(token) !== null).slice(-SWEPT);
  const valid = ledger.tokens.filter((token) => attemptOf(token) === null).slice(-SWEPT);
  const failures: string[] = [];
  const sweepOne = async (node: Node) => {
    for (const token of revoked) {
      const verdict = await watch.ask(node, token);
      if (verdict !== 'token_revoked' && !token.session.lost)
        failures.push(`${node.process.name} answers ${verdict} to revoked token ${token.id}`);
    }
    for (const token of valid) {
      const verdict = await watch.ask(node, token);
      if (verdict !== '200' && attemptOf(token) === null) {
        failures.push(`${node.process.name} answers ${verdict} to valid token ${token.id}`);
      }
    }
  };
  await Promise.all(world.instances.map(sweepOne));
  return failures;
}

/**
 * Reads outbox and topic, and lets the oracle check their order. `known` has the sequences of the outbox as of the last call.
 * @param isTopicKept whether no fault has removed records since then: so the topic has each epoch that began meanwhile from its first event
 */
export async function checkLog(
  { world, oracle, now }: SettleOptions,
  topic: TopicAccess,
  known: Map<string, readonly number[]>,
  isTopicKept: boolean,
): Promise<void> {
  const outbox = outboxSequences(world.issuer.database, known);
  oracle.logRead('outbox', outbox, now());
  const begun = [...outbox.keys()].filter((epoch) => isTopicKept && !known.has(epoch));
  oracle.logRead('topic', await topic.sequences(), now(), new Set(begun));
  for (const [epoch, seqs] of outbox) known.set(epoch, seqs.slice(-1));
}
