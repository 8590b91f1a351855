import { setTimeout as delay } from 'node:timers/promises';
import { protectedUrl } from '@rescind/dev-fleet';
import { createRandom } from '../simulation/model/random.ts';
import type { Ledger, TokenEntry } from './ledger.ts';
import { acknowledgementOf, attemptOf } from './ledger.ts';
import type { Node } from './node.ts';
import type { Oracle } from './oracle.ts';
import type { FaultKind } from './schedule.ts';
import type { Injection } from './storm.ts';
import { verdictOf } from './workload.ts';
import type { World } from './world.ts';

/** States that a run must reach, or it has tested too little. */
export const STATES = [
  'suspect',
  'fallback',
  'new-epoch',
  'view_stale',
  'view_not_ready',
  'token_revoked',
  '200',
] as const;

/** Observes every instance while storms run. */
export interface Watch {
  /** A revocation was acknowledged: each instance is asked about the tokens until it refuses them. */
  revoked(tokens: readonly TokenEntry[], at: number): void;
  /** Asks an instance about a token, and passes the answer to the oracle. */
  ask(node: Node, token: TokenEntry): Promise<string | undefined>;
  /** The states that were seen, with counts. */
  readonly states: ReadonlyMap<string, number>;
  /** From the acknowledgement to the first refusal, ms, by the faults that lasted meanwhile; `none` without one. */
  readonly latencies: ReadonlyMap<FaultKind | 'none', number[]>;
  /** The epoch of the issuer. */
  readonly epoch: string;
  /** How many answers the oracle has checked. */
  readonly answers: number;
  stop(): Promise<void>;
}

export interface WatchOptions {
  readonly world: World;
  readonly ledger: Ledger;
  readonly oracle: Oracle;
  readonly now: () => number;
  readonly seed: number;
  readonly injections: readonly Injection[];
  /** Called when a check throws. */
  readonly failed: (error: unknown) => void;
}

interface Watched {
  readonly token: TokenEntry;
  readonly at: number;
}

/** The pause between two questions to an instance, and after one without an answer. */
const PAUSE_MS = 8;
const UNANSWERED_PAUSE_MS = 50;
/** The pause between two samples of a view. */
const SAMPLE_MS = 250;
/** How long the instances are asked about a revoked token. The sweep after each storm asks about it again. */
const WATCHED_MS = 60_000;

/** Asks every instance without end about revoked and valid tokens, and about its view. */
export function openWatch({ world, ledger, oracle, now, seed, injections, failed }: WatchOptions): Watch {
  const random = createRandom(seed);
  const queues = new Map<Node, Watched[]>(world.instances.map((node) => [node, []]));
  const states = new Map<string, number>();
  const latencies = new Map<FaultKind | 'none', number[]>();
  let epoch = '';
  let answers = 0;
  let isOver = false;
  const countState = (state: string) => void states.set(state, (states.get(state) ?? 0) + 1);

  function measure(node: Node, { at }: Watched, deniedAt: number): void {
    const concerns = ({ target, from, to }: Injection) =>
      (target === node.process.name || target === world.issuer.process.name || target.startsWith('kafka')) &&
      from < deniedAt &&
      (to ?? Number.POSITIVE_INFINITY) > at;
    const kinds = new Set<FaultKind | 'none'>(
      injections
        .slice(-80)
        .filter(concerns)
        .map(({ kind }) => kind),
    );
    if (kinds.size === 0) kinds.add('none');
    for (const kind of kinds) latencies.set(kind, [...(latencies.get(kind) ?? []), deniedAt - at]);
  }

  async function ask(node: Node, token: TokenEntry): Promise<string | undefined> {
    const { process } = node;
    const [sentAt, endingsBefore] = [now(), node.endings];
    const verdict = await verdictOf(protectedUrl(process), token.text);
    if (verdict === undefined) return undefined;
    const receivedAt = now();
    answers += 1;
    countState(verdict);
    oracle.answered({
      instance: process.name,
      token,
      sentAt,
      receivedAt,
      verdict,
      started: [endingsBefore, node.endings],
    });
    return verdict;
  }

  function choose(node: Node): Watched | undefined {
    const queue = queues.get(node) ?? [];
    while (queue[0] !== undefined && queue[0].at < now() - WATCHED_MS) queue.shift();
    const toToken = (token: TokenEntry | undefined) => token && { token, at: Number.NaN };
    const dice = random.next();
    if (dice < 0.5 && queue.length > 0) return random.pick(queue.slice(0, 8));
    // After a restore the keys of earlier tokens may be unknown everywhere.
    const recent = ledger.tokens.slice(-400).filter(({ session }) => !session.lost || random.chance(0.05));
    if (dice < 0.75) return toToken(random.pick(recent.filter((token) => acknowledgementOf(token) !== null)));
    return toToken(random.pick(recent.filter((token) => attemptOf(token) === null).slice(-60)));
  }

  async function askContinuously(node: Node): Promise<void> {
    while (!isOver) {
      const watched = choose(node);
      const verdict = watched && (await ask(node, watched.token));
      if (watched !== undefined && verdict !== undefined && verdict !== '200' && !Number.isNaN(watched.at)) {
        const queue = queues.get(node) ?? [];
        const index = queue.indexOf(watched);
        if (index >= 0) queue.splice(index, 1);
        measure(node, watched, now());
      }
      await delay(verdict === undefined ? UNANSWERED_PAUSE_MS : PAUSE_MS);
    }
  }

  async function sample(node: Node): Promise<void> {
    const [sentAt, endingsBefore] = [now(), node.endings];
    const { body } = await node.process.health();
    const receivedAt = now();
    const checkOf = (name: string) => body.checks?.find((check) => check.name === name);
    const database = checkOf('database');
    if (node === world.issuer && typeof database?.epoch === 'string') {
      if (epoch !== '' && epoch !== database.epoch) countState('new-epoch');
      epoch = database.epoch;
    }
    const feed = checkOf('feed');
    if (feed === undefined) return;
    // Behind the clock of the issuer, an instance cannot know how long a heartbeat was on its way.
    const knowsDelays = node.clockError() >= 0 && world.issuer.clockError() <= 0;
    if (typeof feed.suspect === 'string') countState('suspect');
    if (feed.transport === 'http') countState('fallback');
    oracle.sampled({
      instance: node.process.name,
      sentAt,
      receivedAt,
      ageMs: typeof feed.ageMs === 'number' ? feed.ageMs : null,
      complete: feed.complete === true && knowsDelays,
      epoch: String(feed.epoch ?? ''),
      seq: Number(feed.seq ?? 0),
      pendingRows: Number(checkOf('denylist')?.pendingRows ?? Number.NaN),
      started: [endingsBefore, node.endings],
    });
  }

  async function sampleContinuously(node: Node): Promise<void> {
    while (!isOver) {
      await sample(node);
      await delay(SAMPLE_MS);
    }
  }

  const loops = [...world.instances.map(askContinuously), ...world.nodes.map(sampleContinuously)].map((loop) =>
    loop.catch(failed),
  );
  return {
    revoked(tokens, at) {
      for (const queue of queues.values()) queue.push(...tokens.map((token) => ({ token, at })));
    },
    ask,
    states,
    latencies,
    get epoch() {
      return epoch;
    },
    get answers() {
      return answers;
    },
    async stop() {
      isOver = true;
      await Promise.all(loops);
    },
  };
}
