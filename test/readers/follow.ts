import type { FollowerEffect, FollowerInput, FollowerState } from '@rescind/feed/core';
import { createFollowerCore } from '@rescind/feed/core';
import { createEventDecoder } from '@rescind/feed/event';
import type { CutOffRow } from '@rescind/revocation/cut-off';
import { mergeRows } from '@rescind/revocation/cut-off';
import type { Find } from '@rescind/revocation/judge';
import { createKeySet } from '@rescind/token';
import type { KeySet, Vector } from './vector.ts';

type Unstamped<Input> = Input extends { readonly at: unknown } ? Omit<Input, 'at'> : never;

/** The one transport of a vector: it delivers all of its records again when the follower restarts it. */
const FEED = { primary: { name: 'http', abilities: { fromIssuer: true, stallMs: 600_000 } } };

/** Reads a vector with our own decoder, follower and merge. */
export function follow({ log, issuers, wall, steps }: Pick<Vector, 'log' | 'issuers' | 'wall' | 'steps'>) {
  const core = createFollowerCore({ log, feed: FEED });
  const rows = new Map<string, CutOffRow>();
  const texts: string[] = [];
  let monotonic = 0;
  let served: KeySet = { keys: [], epoch: '', epoch_kid: '' };
  let fetched = served;
  const now = () => ({ wall, monotonic, boot: undefined, random: 0 });
  let state: FollowerState;

  const decode = (records: readonly string[]) => {
    if (records.length === 0) return [];
    const keys = createKeySet({ keys: fetched.keys } as Parameters<typeof createKeySet>[0]);
    const decoder = createEventDecoder({ log, issuers, keys });
    return records.map((jws) => ({ ...decoder.decode(jws), live: true }));
  };
  const submit = (input: Unstamped<FollowerInput>) => {
    const step = core.step(state, { ...input, at: now() } as FollowerInput);
    state = step.state;
    for (const effect of step.effects) run(effect);
  };
  const submitSet = () => {
    fetched = served;
    const kids = fetched.keys.map(({ kid }) => kid);
    submit({ kind: 'keys', set: { kids, epoch: fetched.epoch, epochKid: fetched.epoch_kid, begunAt: monotonic } });
  };
  const open = () => {
    submit({ kind: 'startRequested', transport: 'primary' });
    submit({ kind: 'opened', transport: 'primary' });
    for (const record of decode(texts)) submit({ kind: 'records', transport: 'primary', records: [record] });
  };
  const later: (() => void)[] = [];
  const run = (effect: FollowerEffect) => {
    if (effect.kind === 'fetchKeys') later.push(submitSet);
    else if (effect.kind === 'restart') later.push(open);
    if (effect.kind !== 'commit') return;
    for (const row of effect.change.cutoffs) {
      const name = JSON.stringify([row.iss, row.claim, row.value]);
      const before = rows.get(name);
      rows.set(name, before === undefined ? row : mergeRows(before, row));
    }
  };
  /** Runs fetches and restarts; repeated, because either may cause the other. */
  const pass = (ticks: number) => {
    for (let tick = 0; tick < ticks; tick++) {
      for (const fetchOrRestart of later.splice(0)) fetchOrRestart();
      monotonic += 100;
      submit({ kind: 'tick' });
    }
  };

  ({ state } = core.start(undefined, [], now()));
  open();
  for (const step of steps) {
    if ('records' in step) {
      for (const jws of step.records) {
        texts.push(jws);
        submit({ kind: 'records', transport: 'primary', records: decode([jws]) });
      }
    } else if ('keys' in step) {
      served = step.keys;
      submitSet();
    } else served = step.served;
    // Longer than the follower waits between two fetches.
    pass(25);
  }
  const { epoch, seq, head, complete, suspect } = core.view(state, now());
  const find: Find = {
    names: (iss) => new Set([...rows.values()].filter((row) => row.iss === iss).map(({ claim }) => claim)),
    row: (iss, claim, value) => rows.get(JSON.stringify([iss, claim, value])),
  };
  return { view: { epoch, seq, head, complete, completeAt: state.logState.wholeAt, suspect }, find };
}
