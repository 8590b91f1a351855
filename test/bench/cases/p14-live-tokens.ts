import type { VerifiedToken } from '@rescind/guard';
import type { TestKit } from '@rescind/guard/testing';
import { openTestKit } from '@rescind/guard/testing';
import type { Case } from '../case.ts';
import { spreadOf } from '../race.ts';

const ignore = () => undefined;

/** Measures the cost of the guard's index of live tokens, and what it saves. */
export const p14: Case = {
  id: 'P14',
  what: 'live connections: end one of many, judge a message, memory of a live token',
  async run({ quick, say }) {
    const [count, rounds, revocations] = quick ? [5_000, 3, 20] : [100_000, 9, 100];
    // Without the cache: the memory measured is that of the index.
    await using kit = openTestKit({ cache: false });
    say(`${count} tokens …`);
    const texts = Array.from({ length: count }, (_, number) => kit.token({ sid: `s${number}`, sub: `u${number}` }));
    const { tokens, bytes } = watchAll(kit, texts);
    const byHand = new Map(tokens.map((token) => [String(token.payload.sid), token]));

    const [index, idle, scan]: [number[], number[], number[]] = [[], [], []];
    const [map, judged, decided]: [number[], number[], number[]] = [[], [], []];
    let next = 0;
    let found = 0;
    for (let round = 0; round < rounds; round += 1) {
      say(`round ${round + 1} …`);
      index.push(timeOf(revocations, () => kit.revoke({ claim: 'sid', value: `s${next++}` })));
      idle.push(timeOf(revocations, (number) => kit.revoke({ claim: 'sid', value: `nobody${round}-${number}` })));
      const sid = `s${next}`;
      scan.push(
        timeOf(Math.min(revocations, 10), () => {
          for (const { payload } of tokens) if (payload.sid === sid) found += 1;
        }),
      );
      map.push(
        timeOf(10_000, (number) => {
          if (byHand.has(`s${number}`)) found += 1;
        }),
      );
      const watched = kit.guard.watch(accepted(kit, kit.token({ sid: 'judged' })), { onRenew: ignore, onEnd: ignore });
      judged.push(timeOf(100_000, () => void watched.decide()));
      watched.close();
    }
    const few = openTestKit({ cache: false });
    const fewTexts = Array.from({ length: 1_000 }, (_, number) => few.token({ sid: `s${number}`, sub: `u${number}` }));
    watchAll(few, fewTexts);
    const fewTimes = Array.from({ length: Math.min(rounds, 9) }, (_, round) =>
      timeOf(revocations, (number) => few.revoke({ claim: 'sid', value: `s${round * revocations + number}` })),
    );
    await few.close();
    await using cached = openTestKit();
    const text = cached.token();
    for (let round = 0; round < rounds; round += 1) decided.push(timeOf(100_000, () => void cached.guard.decide(text)));
    if (found === 0) throw new Error('the scan and the map found nothing');

    const ending = middleOf(index);
    return {
      bars: [
        {
          what: `a scan of ${count} live tokens relative to a revocation that ends one of them`,
          figure: middleOf(scan) / ending,
          atLeast: quick ? 0.1 : 10,
        },
        {
          what: `a revocation that ends one of ${count} relative to one of 1000`,
          figure: ending / middleOf(fewTimes),
          atMost: 3,
        },
        {
          what: 'judging a message relative to deciding about a cached token',
          figure: middleOf(judged) / middleOf(decided),
          atMost: 1.5,
        },
      ],
      measured: [
        spreadOf(`a revocation that ends one of ${count}, with its log`, index, 'µs'),
        spreadOf('a revocation that ends one of 1000, with its log', fewTimes, 'µs'),
        spreadOf('a revocation that ends none, with its log', idle, 'µs'),
        spreadOf(`a scan of ${count} tokens for one sid`, scan, 'µs'),
        spreadOf('a look-up in a Map by sid, kept by hand', map, 'µs'),
        spreadOf('judging a message of a live connection', judged, 'µs'),
        spreadOf('deciding about a cached token', decided, 'µs'),
        spreadOf('memory of a live token: its claims and its place in the index, without its text', [bytes], 'bytes'),
      ],
      settings: { tokens: count, rounds, revocations, characters: texts[0]?.length ?? 0, algorithm: 'ES256' },
    };
  },
};

/** Watches all tokens. @returns the bytes of heap for each */
function watchAll(kit: TestKit, texts: readonly string[]): { tokens: VerifiedToken[]; bytes: number } {
  const before = heapUsed();
  const tokens = texts.map((text) => {
    const token = accepted(kit, text);
    const watched = kit.guard.watch(token, { onRenew: ignore, onEnd: () => watched.close() });
    return token;
  });
  return { tokens, bytes: Math.round((heapUsed() - before) / texts.length) };
}

function heapUsed(): number {
  globalThis.gc?.();
  return process.memoryUsage().heapUsed;
}

function accepted(kit: TestKit, text: string): VerifiedToken {
  const decision = kit.guard.decide(text);
  if (!decision.accepted) throw decision.error;
  return decision.token;
}

/** µs of one call, on average. */
function timeOf(calls: number, work: (number: number) => void): number {
  const start = performance.now();
  for (let number = 0; number < calls; number += 1) work(number);
  return ((performance.now() - start) * 1_000) / calls;
}

const middleOf = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
