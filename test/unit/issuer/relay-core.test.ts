import type { RelayEffect, RelaySend, RelayState } from '@rescind/issuer/testing';
import { composeBatch, createRelayCore } from '@rescind/issuer/testing';
import { describe, expect, it } from 'vitest';

const EPOCH = '0001-a';
const core = createRelayCore({ limit: 3 });
const rows = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, i) => ({ seq: from + i, jws: `event ${from + i}` }));

function sendOf(effects: readonly RelayEffect[]): RelaySend | undefined {
  return effects.find((effect) => effect.kind === 'send')?.send;
}

/** A relay that is idle, with everything up to `seq` sent. */
function idleAt(seq: number): RelayState {
  return core.start({ epoch: EPOCH, head: seq }, { epoch: EPOCH, sentSeq: seq }, 0).state;
}

const heartbeat = (head: number, now = 0) =>
  ({ kind: 'heartbeat', epoch: EPOCH, jws: `beat ${head} ${now}`, head, now }) as const;
const appended = (head: number, now = 0, epoch = EPOCH) => ({ kind: 'appended', epoch, head, now }) as const;

describe('the relay', () => {
  it('starts after the last acknowledged row, and at the first row of another epoch', () => {
    expect(sendOf(core.start({ epoch: EPOCH, head: 9 }, { epoch: EPOCH, sentSeq: 4 }, 0).effects)?.after).toBe(4);
    expect(sendOf(core.start({ epoch: EPOCH, head: 9 }, { epoch: '0000-z', sentSeq: 4 }, 0).effects)?.after).toBe(0);
    expect(sendOf(core.start({ epoch: EPOCH, head: 9 }, undefined, 0).effects)?.after).toBe(0);
    expect(idleAt(9).inFlight).toBe(null);
  });

  it('sends one at a time, and the next as soon as that is acknowledged', () => {
    const first = core.step(idleAt(4), appended(5));
    expect(sendOf(first.effects)).toMatchObject({ epoch: EPOCH, after: 4 });
    const second = core.step(first.state, appended(7));
    expect(second.effects).toEqual([]);
    const third = core.step(second.state, { kind: 'sent', upTo: 5, withHeartbeat: false, now: 0 });
    expect(third.effects).toMatchObject([
      { kind: 'mark', epoch: EPOCH, sentSeq: 5 },
      { kind: 'send', send: { after: 5 } },
    ]);
  });

  it('sends unacknowledged rows again, after a delay that grows to 5 s', () => {
    let { state, effects } = core.step(idleAt(4), appended(5));
    let now = 0;
    const waits: number[] = [];
    for (let i = 0; i < 8; i += 1) {
      ({ state, effects } = core.step(state, { kind: 'failed', now }));
      const failedAt = now;
      while (sendOf(effects) === undefined) {
        now += 50;
        ({ state, effects } = core.step(state, { kind: 'tick', now }));
      }
      expect(sendOf(effects)?.after).toBe(4);
      waits.push(now - failedAt);
    }
    expect(waits).toEqual([250, 500, 1_000, 2_000, 4_000, 5_000, 5_000, 5_000]);
    ({ state } = core.step(state, { kind: 'sent', upTo: 5, withHeartbeat: false, now }));
    expect(state.failures).toBe(0);
  });

  it('replaces a heartbeat that has not been sent by a newer one', () => {
    const busy = core.step(idleAt(4), appended(5)).state;
    const { state } = core.step(core.step(busy, heartbeat(5, 1)).state, heartbeat(5, 2));
    const { effects } = core.step(state, { kind: 'sent', upTo: 5, withHeartbeat: false, now: 3 });
    expect(sendOf(effects)?.heartbeat?.jws).toBe('beat 5 2');
  });

  it('keeps a heartbeat that was made while an older one was being sent', () => {
    const sending = core.step(idleAt(4), heartbeat(4, 1)).state;
    const { state } = core.step(sending, heartbeat(4, 2));
    const next = core.step(state, { kind: 'sent', upTo: 4, withHeartbeat: true, now: 3 });
    expect(sendOf(next.effects)?.heartbeat?.jws).toBe('beat 4 2');
    const last = core.step(next.state, { kind: 'sent', upTo: 4, withHeartbeat: true, now: 4 });
    expect(last).toMatchObject({ state: { heartbeat: null, inFlight: null }, effects: [] });
  });

  it('begins again with another epoch, once the current send has ended', () => {
    const busy = core.step(core.step(idleAt(4), appended(5)).state, heartbeat(5, 1)).state;
    const turned = core.step(busy, appended(2, 0, '0002-b'));
    expect(turned.effects).toEqual([]);
    const { effects, state } = core.step(turned.state, { kind: 'sent', upTo: 5, withHeartbeat: true, now: 0 });
    expect(effects).toEqual([{ kind: 'send', send: { epoch: '0002-b', after: 0, limit: 3, heartbeat: null } }]);
    expect(state.sentSeq).toBe(0);
  });

  it('ignores an unexpected acknowledgement', () => {
    const idle = idleAt(4);
    expect(core.step(idle, { kind: 'sent', upTo: 9, withHeartbeat: true, now: 0 })).toEqual({
      state: idle,
      effects: [],
    });
    expect(core.step(idle, { kind: 'failed', now: 0 })).toEqual({ state: idle, effects: [] });
  });

  it.each([0, -1, 1.5, Number.NaN])('refuses a limit of %d', (limit) => {
    expect(() => createRelayCore({ limit })).toThrow(TypeError);
  });
});

describe('a batch', () => {
  const send = (change: Partial<RelaySend> = {}): RelaySend => ({
    epoch: EPOCH,
    after: 4,
    limit: 3,
    heartbeat: { jws: 'beat', head: 6 },
    ...change,
  });

  it('has the heartbeat right behind the event that it states as the head', () => {
    expect(composeBatch(send(), rows(5, 7))).toEqual({
      records: ['event 5', 'event 6', 'beat', 'event 7'],
      upTo: 7,
      withHeartbeat: true,
    });
  });

  it('leaves it out while its head is not in it', () => {
    expect(composeBatch(send({ heartbeat: { jws: 'beat', head: 9 } }), rows(5, 7))).toEqual({
      records: ['event 5', 'event 6', 'event 7'],
      upTo: 7,
      withHeartbeat: false,
    });
  });

  it('has it when no reader requires the rows up to its head any more', () => {
    expect(composeBatch(send({ heartbeat: { jws: 'beat', head: 9 } }), rows(5, 6))).toEqual({
      records: ['event 5', 'event 6', 'beat'],
      upTo: 9,
      withHeartbeat: true,
    });
  });

  it('may be a heartbeat alone, or nothing', () => {
    expect(composeBatch(send({ after: 6 }), [])).toEqual({ records: ['beat'], upTo: 6, withHeartbeat: true });
    expect(composeBatch(send({ heartbeat: null }), [])).toEqual({ records: [], upTo: 4, withHeartbeat: false });
  });
});
