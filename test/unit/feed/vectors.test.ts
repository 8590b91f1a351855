import type { FollowerEffect, FollowerInput, FollowerState } from '@rescind/feed';
import { createEventDecoder, createFollowerCore } from '@rescind/feed';
import type { CutOffRow, Find } from '@rescind/revocation';
import { judge, mergeRows } from '@rescind/revocation';
import { createKeySet } from '@rescind/token';
import { describe, expect, it } from 'vitest';
import type { Vector } from '../../readers/vector.ts';
import { readVectors } from '../../readers/vector.ts';

type Unstamped<Input> = Input extends { readonly at: unknown } ? Omit<Input, 'at'> : never;
type KeySetBody = Extract<Vector['steps'][number], { keys: unknown }>['keys'];

/** The one transport of a vector: it delivers all of its records again when the follower restarts it. */
const FEED = { first: { name: 'http', abilities: { fromIssuer: true, stallMs: 600_000 } } };

/** Reads a vector with our own decoder, follower and merge. */
function follow({ log, issuers, wall, steps }: Vector) {
  const core = createFollowerCore({ log, feed: FEED });
  const rows = new Map<string, CutOffRow>();
  const texts: string[] = [];
  let monotonic = 0;
  let set: KeySetBody = { keys: [], epoch: '', epoch_kid: '' };
  const now = () => ({ wall, monotonic, boot: undefined, random: 0 });
  let state: FollowerState;

  const decode = (records: readonly string[]) => {
    if (records.length === 0) return [];
    const keys = createKeySet({ keys: set.keys } as Parameters<typeof createKeySet>[0]);
    const decoder = createEventDecoder({ log, issuers, keys });
    return records.map((jws) => ({ ...decoder.decode(jws), live: true }));
  };
  const submit = (input: Unstamped<FollowerInput>) => {
    const step = core.step(state, { ...input, at: now() } as FollowerInput);
    state = step.state;
    for (const effect of step.effects) carryOut(effect);
  };
  const submitSet = () => {
    const kids = set.keys.map(({ kid }) => kid);
    submit({ kind: 'keys', set: { kids, epoch: set.epoch, epochKid: set.epoch_kid, begunAt: monotonic } });
  };
  const open = () => {
    submit({ kind: 'asked', way: 'first' });
    submit({ kind: 'opened', way: 'first' });
    for (const record of decode(texts)) submit({ kind: 'records', way: 'first', records: [record] });
  };
  const later: (() => void)[] = [];
  const carryOut = (effect: FollowerEffect) => {
    if (effect.kind === 'fetchKeys') later.push(submitSet);
    else if (effect.kind === 'restart') later.push(open);
    if (effect.kind !== 'commit') return;
    for (const row of effect.change.cutoffs) {
      const name = JSON.stringify([row.iss, row.claim, row.value]);
      const before = rows.get(name);
      rows.set(name, before === undefined ? row : mergeRows(before, row));
    }
  };
  /** Carries out fetches and restarts; repeated, because either may cause the other. */
  const pass = (ticks: number) => {
    for (let tick = 0; tick < ticks; tick++) {
      for (const act of later.splice(0)) act();
      monotonic += 100;
      submit({ kind: 'tick' });
    }
  };

  ({ state } = core.start(undefined, [], now()));
  open();
  for (const step of steps) {
    if ('keys' in step) {
      set = step.keys;
      submitSet();
    } else {
      for (const jws of step.records) {
        texts.push(jws);
        submit({ kind: 'records', way: 'first', records: decode([jws]) });
      }
    }
    // Longer than the follower waits between two fetches.
    pass(25);
  }
  const { epoch, seq, head, whole, suspect } = core.view(state, now());
  const find: Find = {
    names: (iss) => new Set([...rows.values()].filter((row) => row.iss === iss).map(({ claim }) => claim)),
    row: (iss, claim, value) => rows.get(JSON.stringify([iss, claim, value])),
  };
  return { view: { epoch, seq, head, complete: whole, completeAt: state.kept.wholeAt, suspect }, find };
}

const vectors = readVectors();

it('finds the vectors', () => {
  expect(vectors.length).toBeGreaterThan(15);
});

describe.each(vectors)('the vector $name', (vector) => {
  const { view, find } = follow(vector);

  it('is read as it says', () => {
    expect(view).toMatchObject(vector.expected);
  });

  it.each(vector.tokens.map((token, index) => ({ ...token, index })))(
    'has its token $index judged as it says',
    (token) => {
      const verdict = judge(token, find);
      expect(verdict.denied).toBe(token.denied);
      if (!verdict.denied || token.by === null) return;
      if ('unjudgeable' in token.by) expect(verdict).toMatchObject({ why: 'unjudgeable', claim: token.by.unjudgeable });
      else expect(verdict).toMatchObject({ why: 'revoked', cutoff: token.by, endsSession: token.endsSession });
    },
  );
});

it('no vector stores a private key', () => {
  for (const { steps } of vectors) expect(JSON.stringify(steps)).not.toMatch(/"(d|p|q|dp|dq|qi|k)":|PRIVATE KEY/);
});
