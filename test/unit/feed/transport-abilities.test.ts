import type { Transport, TransportAbilities } from '@rescind/feed';
import type { FeedDescription } from '@rescind/feed/core';
import { createFollowerCore } from '@rescind/feed/core';
import { feedOptions } from '@rescind/feed/follower';
import { describe, expect, it } from 'vitest';
import { HTTP, KAFKA, KAFKA_AND_HTTP } from '../../support/transports.ts';
import { beat, createBench, event, kinds } from './follower-bench.ts';

/** A bench with one open transport of these abilities, and a complete view at three events. */
function wholeBy(abilities: TransportAbilities) {
  const bench = createBench({ feed: { primary: { name: 'nats', abilities } } });
  bench.open();
  bench.take('primary', beat(3, 0), event(1), event(2), event(3), beat(3, 10));
  expect(bench.view()).toMatchObject({ complete: true, transport: 'nats', seq: 3 });
  return bench;
}

describe('the core decides by abilities', () => {
  it('behaves alike under any names', () => {
    const renamed: FeedDescription = { primary: { ...KAFKA, name: 'http' }, fallback: { ...HTTP, name: 'kafka' } };
    const runs = [KAFKA_AND_HTTP, renamed].map((feed) => {
      const bench = createBench({ feed });
      bench.open();
      bench.open('fallback');
      const effects = [
        ...bench.take('fallback', beat(5, 0)),
        ...bench.take('primary', event(1), event(2), beat(2, 100)),
        ...bench.pass(40_000),
        ...bench.take('fallback', event(3), event(5)),
        ...bench.pass(2_000),
      ];
      return kinds(effects);
    });
    expect(runs[0]).toContain('open fallback');
    expect(runs[1]).toEqual(runs[0]);
  });

  it('compares the first heartbeat with the known head if the transport opens with one', () => {
    const { effects } = reopenedBehind({ opensWithHeartbeat: true });
    expect(effects).toContain('submitEvidence');
  });

  it('treats a lower head as late on any other transport', () => {
    const { bench, effects } = reopenedBehind({});
    expect(effects).not.toContain('submitEvidence');
    expect(bench.logState.suspect).toBe(null);
  });

  it.each([
    [{ stallMs: 1_000 }, 1_000],
    [{ stallMs: 60_000 }, 60_000],
    [{}, 30_000],
  ])('restarts a silent connection after the time of the transport: %j', (abilities, stallMs) => {
    const bench = wholeBy(abilities);
    expect(kinds(bench.pass(stallMs - 200))).toEqual([]);
    expect(kinds(bench.pass(400))).toContain('restart primary');
  });

  it('fetches an unknown key from the issuer itself, and elsewhere only one of the expected shape', () => {
    const unknown = { kind: 'bad', jws: 'x', live: true, hint: null, reason: 'key_unknown' } as const;
    const record = { ...unknown, claimed: { kid: 'short', epoch: null } };
    expect(kinds(wholeBy({ fromIssuer: true }).take('primary', record))).toEqual(['fetchKeys']);
    expect(kinds(wholeBy({}).take('primary', record))).toEqual([]);
  });

  it('keeps the fallback open where it can stand by', () => {
    const opened = (abilities: TransportAbilities) => {
      const core = createFollowerCore({ log: 'l', feed: { primary: KAFKA, fallback: { name: 'nats', abilities } } });
      return kinds(core.start(undefined, [], { wall: 1, monotonic: 0, random: 0 }).effects);
    };
    expect(opened({ standby: true })).toEqual(['open primary', 'open fallback standby']);
    expect(opened({ standby: false })).toEqual(['open primary']);
  });
});

/** Opens the connection again. Its first heartbeat has a lower head than the known one. */
function reopenedBehind(abilities: TransportAbilities) {
  const bench = wholeBy(abilities);
  bench.happens({ kind: 'lost', transport: 'primary', reason: 'ended' });
  bench.open();
  return { bench, effects: kinds([...bench.take('primary', beat(1, 20)), ...bench.pass(500)]) };
}

describe('a feed is refused', () => {
  const open: Transport['open'] = () => ({ restart: () => undefined, close: async () => undefined });
  const good: Transport = {
    name: 'nats',
    abilities: { standby: true, stallMs: 5 },
    endpoint: { url: 'nats://x' },
    open,
  };

  it.each([
    [
      'with a name of other letters',
      { ...good, name: 'Redis Streams' },
      /^feed\.primary\.name must be a lower-case letter/,
    ],
    ['with an empty name', { ...good, name: '' }, /^feed\.primary\.name /],
    ['with a name that is too long', { ...good, name: 'n'.repeat(33) }, /^feed\.primary\.name /],
    ['without a name', { open }, /^feed\.primary\.name /],
    ['without open', { name: 'nats' }, /^feed\.primary must be a transport/],
    [
      'with an ability that is none',
      { ...good, abilities: { standBy: true } },
      /^feed\.primary\.abilities\.standBy .*standby/,
    ],
    ['with a wrong ability', { ...good, abilities: { stallMs: 0 } }, /^feed\.primary\.abilities\.stallMs /],
    [
      'with a proof that is no function',
      { ...good, submitEvidence: 'yes' },
      /^feed\.primary\.submitEvidence must be a function/,
    ],
    ['with an endpoint that is no text', { ...good, endpoint: { port: 1 } }, /^feed\.primary\.endpoint\.port /],
  ])('%s', (_, first, message) => {
    const check = () => feedOptions({ primary: first }, 'feed');
    expect(check).toThrow(TypeError);
    expect(check).toThrow(message);
  });

  it('with two transports of one name', () => {
    expect(() => feedOptions({ primary: good, fallback: { ...good } }, 'feed')).toThrow(
      /^feed\.fallback .* which is nats$/,
    );
    const feed = { primary: KAFKA, fallback: KAFKA };
    expect(() => createFollowerCore({ log: 'l', feed })).toThrow(TypeError);
  });

  it('unless nothing is wrong: then it is used as it is', () => {
    const feed = feedOptions({ primary: good, fallback: { ...good, name: 'nats_2' } }, 'feed');
    expect(feed.primary).toBe(good);
  });
});
