import { describe, expect, it } from 'vitest';
import { beat, createBench, EPOCH, event, KID, kinds, START } from './follower-bench.ts';

const NEXT = { epoch: '0002-b', kid: 'key-2' };
const FORGED = { epoch: '9999-x', kid: KID };

function wholeAtThree() {
  const bench = createBench();
  bench.open();
  bench.take('primary', event(1), event(2), event(3), beat(3, 0));
  expect(bench.view()).toMatchObject({ complete: true, seq: 3 });
  return bench;
}

/** A record whose key is not known, as the decoder gives it. */
const unknown = (kid: string, epoch = '0002-b') => ({
  kind: 'bad' as const,
  reason: 'key_unknown' as const,
  jws: `unknown ${kid}`,
  live: true,
  hint: '7',
  claimed: { kid: kid.padEnd(43, '_'), epoch },
});

describe('an event key that revokes itself', () => {
  it('signs nothing valid from that step on, and its epoch is left: rows stay, the age stops', () => {
    const bench = wholeAtThree();
    const done = bench.take('primary', event(4, { kills: [KID] }), event(5), beat(5, 1_000), event(1, FORGED));
    expect(kinds(done)).toEqual(['fetchKeys', 'submitEvidence']);
    expect(bench.logState).toMatchObject({
      epoch: '',
      seq: 0,
      suspect: 'epoch',
      wholeAt: START,
      revokedEventKids: [KID],
    });
    expect(bench.rows.has(`${EPOCH}:4`)).toBe(true);
    expect(bench.rows.has(`${EPOCH}:5`)).toBe(false);
    expect(bench.rows.has('9999-x:1')).toBe(false);
  });

  it('stays revoked on the other transport and after a restart', () => {
    const bench = wholeAtThree();
    bench.take('primary', event(4, { kills: [KID] }));
    const again = createBench({ logState: bench.logState });
    again.open();
    again.take('primary', event(4), beat(4, 1_000));
    expect(again.view()).toMatchObject({ epoch: '', complete: false, suspect: 'epoch' });
  });

  it('is revoked in whatever epoch the event is', () => {
    const bench = wholeAtThree();
    bench.take('primary', event(9, { epoch: '0000-z', kills: [KID] }));
    expect(bench.logState).toMatchObject({ epoch: '', revokedEventKids: [KID] });
  });

  it('that another key revokes is revoked only if the set fetched then lacks it', () => {
    const bench = wholeAtThree();
    const done = bench.take('primary', event(4, { kid: 'key-0', epoch: '0000-z', kills: [KID] }));
    expect(kinds(done)).toEqual(['fetchKeys']);
    expect(bench.logState.epoch).toBe(EPOCH);
    bench.fetched([KID, 'key-0'], EPOCH, KID);
    expect(bench.logState).toMatchObject({ epoch: EPOCH });
    expect(bench.logState.revokedEventKids).toBeUndefined();
    bench.pass(1_100);
    bench.take('primary', event(4, { kid: 'key-0', epoch: '0000-z', kills: [KID] }));
    bench.fetched(['key-2', 'key-0'], '0002-b', 'key-2');
    expect(bench.logState).toMatchObject({ epoch: '', revokedEventKids: [KID] });
  });

  describe('and signs a later epoch than the followed one', () => {
    const lastWord = event(5, { ...NEXT, kills: [NEXT.kid] });

    it('makes the reader leave while the issuer still signs with it, and submit the event as evidence', () => {
      const bench = wholeAtThree();
      bench.pass(500);
      expect(kinds(bench.take('primary', lastWord, event(4), beat(4, 500)))).toEqual(['fetchKeys']);
      expect(bench.view()).toMatchObject({ epoch: EPOCH, seq: 4, complete: true });
      const effects = bench.fetched([KID, NEXT.kid], NEXT.epoch, NEXT.kid);
      expect(effects).toContainEqual({ kind: 'submitEvidence', jws: lastWord.jws });
      expect(bench.logState).toMatchObject({ epoch: '', suspect: 'epoch', wholeAt: START + 500 });
      expect(bench.pass(30_100)).toContainEqual({ kind: 'submitEvidence', jws: lastWord.jws });
    });

    it('is decided after a restart, too', () => {
      const bench = wholeAtThree();
      bench.take('primary', lastWord);
      const again = createBench({ logState: bench.logState });
      again.open();
      again.take('primary', event(6, NEXT));
      expect(again.fetched([KID, NEXT.kid], NEXT.epoch, NEXT.kid)).toContainEqual({
        kind: 'submitEvidence',
        jws: lastWord.jws,
      });
      expect(again.logState).toMatchObject({ epoch: '', suspect: 'epoch' });
    });

    it('changes nothing when the issuer knows of it, or signs an earlier epoch with it', () => {
      const bench = wholeAtThree();
      bench.take('primary', lastWord);
      bench.fetched([KID], EPOCH, KID);
      expect(bench.view()).toMatchObject({ epoch: EPOCH, complete: true, suspect: null });
      bench.fetched([KID, NEXT.kid], '0000-z', NEXT.kid);
      expect(bench.view()).toMatchObject({ epoch: EPOCH, complete: true, suspect: null });
    });

    it('is not decided by a set whose fetch began before the event arrived', () => {
      const bench = wholeAtThree();
      bench.pass(100);
      bench.take('primary', lastWord);
      const set = { kids: [KID, NEXT.kid], epoch: NEXT.epoch, epochKid: NEXT.kid, begunAt: 0 };
      bench.happens({ kind: 'keys', set });
      expect(bench.view()).toMatchObject({ epoch: EPOCH, complete: true });
    });
  });

  it('whose closing event is lost is noticed by the set that lacks it', () => {
    const bench = wholeAtThree();
    bench.fetched(['key-2'], '0002-b');
    expect(bench.logState).toMatchObject({ epoch: '', suspect: 'epoch' });
  });
});

describe('an epoch', () => {
  it('is entered only when a set fetched after its first record names it, with the key that signs it', () => {
    const bench = wholeAtThree();
    bench.take('primary', event(1, FORGED), beat(1, 9_000, FORGED));
    bench.fetched([KID], EPOCH);
    expect(bench.logState).toMatchObject({ epoch: EPOCH, seq: 3, wholeAt: START });
    expect(bench.rows.has('9999-x:1')).toBe(true);

    bench.take('primary', event(1, { ...NEXT, kid: KID }));
    bench.fetched([KID, 'key-2'], NEXT.epoch, 'key-2');
    bench.open();
    // An event of a former key denies in this epoch, and does not move the position.
    bench.take('primary', event(1, { ...NEXT, kid: KID }), beat(1, 9_000, { ...NEXT, kid: KID }));
    expect(bench.logState).toMatchObject({ epoch: NEXT.epoch, epochKid: 'key-2', seq: 0 });
    bench.take('primary', event(1, NEXT), beat(1, 1_000, NEXT));
    expect(bench.view()).toMatchObject({ complete: true, epoch: NEXT.epoch, suspect: null });
  });

  it('is not entered by a set whose fetch began before its first record was received', () => {
    const bench = wholeAtThree();
    bench.pass(500);
    bench.take('primary', event(1, NEXT));
    bench.happens({ kind: 'keys', set: { kids: [KID, 'key-2'], epoch: '0002-b', epochKid: 'key-2', begunAt: 400 } });
    expect(bench.logState.epoch).toBe(EPOCH);
  });

  it('of an issuer of the previous version, which names none, is the greatest with a published key', () => {
    const bench = wholeAtThree();
    bench.take('primary', event(1, NEXT));
    bench.fetched([KID, 'key-2'], null, null);
    expect(bench.logState).toMatchObject({ epoch: NEXT.epoch, epochKid: 'key-2' });
  });

  it('is read again from before its first record', () => {
    const bench = wholeAtThree();
    bench.take('primary', beat(3, 500, { hint: '10' }));
    bench.take('primary', event(1, { ...NEXT, hint: '11' }), event(2, { ...NEXT, hint: '12' }));
    expect(bench.logState.hint).toBe('10');
    expect(kinds(bench.fetched([KID, 'key-2'], NEXT.epoch))).toEqual(['restart primary']);
  });
});

describe('an unknown key', () => {
  it('makes the view suspect until a fetch has succeeded; then it is remembered as absent', () => {
    const bench = wholeAtThree();
    expect(kinds(bench.take('primary', unknown('a')))).toEqual(['fetchKeys']);
    bench.take('primary', beat(3, 1_000));
    expect(bench.logState).toMatchObject({ suspect: 'keys', wholeAt: START });
    bench.happens({ kind: 'keysFailed' });
    expect(bench.logState.suspect).toBe('keys');
    expect(kinds(bench.pass(2_000))).toEqual(['fetchKeys']);
    bench.fetched([KID]);
    expect(bench.logState).toMatchObject({ suspect: null, wholeAt: START + 1_000 });
    expect(kinds(bench.take('primary', unknown('a')))).toEqual([]);
    expect(bench.logState.suspect).toBe(null);
  });

  it('is fetched, and its records are read again when the set has it', () => {
    const bench = wholeAtThree();
    bench.take('primary', unknown('a'));
    expect(kinds(bench.fetched([KID, 'a'.padEnd(43, '_')], EPOCH, KID))).toEqual(['restart primary']);
    expect(bench.logState.suspect).toBe(null);
  });

  it.each([
    ['is not of the shape of ours', { ...unknown('a'), claimed: { kid: 'a', epoch: '0002-b' } }],
    ['stands in no newer epoch', unknown('a', EPOCH)],
  ])('on the topic that %s is treated as invalid at once', (_, record) => {
    const bench = wholeAtThree();
    expect(kinds(bench.take('primary', record))).toEqual([]);
    expect(bench.logState.suspect).toBe(null);
  });

  it('causes five fetches at once and one more every 10 s, however many are made up; real events are applied meanwhile', () => {
    const bench = wholeAtThree();
    let fetches = 0;
    for (let n = 0; n < 400; n += 1) {
      const done = [...bench.take('primary', unknown(`k${n}`), event(4 + n)), ...bench.pass(100)];
      for (const kind of kinds(done)) if (kind === 'fetchKeys') fetches += 1;
      bench.fetched([KID]);
      expect(bench.logState.seq).toBe(4 + n);
    }
    expect(fetches).toBeGreaterThanOrEqual(8);
    expect(fetches).toBeLessThanOrEqual(9);
  });

  it('keeps the view no older than the last fetch, also in an endless flood', () => {
    const bench = wholeAtThree();
    for (let n = 0; n < 60; n += 1) {
      bench.take('primary', unknown(`k${n}`), beat(3, n * 500));
      const begunAt = bench.state.eventKeys.requested?.since;
      // Another record arrives while the set is fetched: that set does not decide about it.
      bench.pass(100);
      bench.take('primary', unknown(`late${n}`));
      bench.pass(400);
      const set = { kids: [KID], epoch: EPOCH, epochKid: KID, begunAt: begunAt ?? 0 };
      if (begunAt !== undefined) bench.happens({ kind: 'keys', set });
    }
    expect(bench.logState.suspect).toBe('keys');
    expect(bench.view().ageMs).toBeLessThan(12_000);
  });

  it('from the issuer itself causes a fetch apart from that limit, once a second', () => {
    const bench = wholeAtThree();
    bench.pass(3_600);
    bench.open('fallback');
    for (let n = 0; n < 8; n += 1) {
      bench.take('fallback', unknown(`k${n}`, EPOCH));
      bench.pass(1_000);
      bench.fetched([KID]);
    }
    expect(bench.state.eventKeys.tokens).toBe(5);
  });
});
