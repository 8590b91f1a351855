import type { FollowerState } from '@rescind/feed/core';
import type { DecodedRecord } from '@rescind/feed/event';
import { CLOCK_TOLERANCE_MS } from '@rescind/revocation';
import type { LogState } from '@rescind/revocation/log-state';
import { isLogTimeOld } from '@rescind/revocation/log-state';
import { bent, shown } from './bent-cores.ts';
import type { Mutants } from './model/setting.ts';

/** An issuer whose clock is set, and which crashes. */
export const CLOCKS = ['issuer-clock', 'issuer'] as const;
/** An issuer whose clock leads, and is set by command, while readers fall behind. */
const LEADS = ['issuer-clock', 'clock-command', 'issuer', 'slow', 'drops', 'broker', 'leaps'] as const;
/** The same, with readers whose clocks were ahead, too. */
const BOTH_AHEAD = ['issuer-clock', 'clock-command', 'issuer', 'follower-clock', 'slow', 'leaps'] as const;
/** Issuer and readers with the clock of one server, which are corrected one after the other. */
const ONE_SERVER = ['time-server', 'slow', 'drops'] as const;

/** An issuer that starts with another time than the broker's. */
const APART = ['issuer-clock', 'broker-clock', 'issuer', 'broker'] as const;

/** A core that accepts the low watermark of a heartbeat from ahead. */
function floorFromAhead(): Mutants {
  const floorOf = (records: readonly DecodedRecord[], epoch: string, wall: number) =>
    records.map((record) => {
      const isAhead = record.kind === 'heartbeat' && record.at > wall + CLOCK_TOLERANCE_MS;
      return isAhead && record.epoch === epoch ? record.lowWatermark : 0;
    });
  return {
    wrap: (core) => ({
      ...core,
      step(state, input) {
        if (input.kind !== 'records') return core.step(state, input);
        const { logState } = state;
        const floor = Math.max(logState.floor, ...floorOf(input.records, logState.epoch, input.at.wall));
        return core.step({ ...state, logState: { ...logState, floor } }, input);
      },
    }),
  };
}

/** A core whose log time becomes that of the first heartbeat in which the clock was set. */
function loweredAtOnce(): Mutants {
  const lowered = (logState: LogState, beat: FollowerState['heartbeat']): LogState =>
    beat === null || !isLogTimeOld(logState)
      ? logState
      : { ...logState, logTime: beat.at, logTimeEpoch: logState.epoch };
  return {
    wrap: (core) => ({
      ...core,
      step(before, input) {
        const { state, effects } = core.step(before, input);
        const logState = lowered(state.logState, state.heartbeat);
        if (logState === state.logState) return { state, effects };
        const committed = effects.map((effect) =>
          effect.kind === 'commit' ? { ...effect, change: { ...effect.change, state: logState } } : effect,
        );
        return { state: { ...state, logState }, effects: committed };
      },
    }),
  };
}

/** Mistakes about the clock of an issuer that leads, and about the command that sets it. */
export const CLOCK_MUTANTS: Readonly<Record<string, Mutants>> = {
  'the clock stops at its floor until the wall clock has passed it': { clockStands: true, only: CLOCKS },
  'a leading clock runs at full speed': { fullSpeed: true, only: ['issuer-clock', 'leaps'] },
  'a heartbeat from ahead moves the low watermark': {
    ...floorFromAhead(),
    only: ['issuer-clock', 'issuer', 'slow', 'drops', 'http', 'broker'],
  },
  'a heartbeat from ahead completes an epoch': {
    ...bent((state) => {
      const { logState, heartbeat, cause } = state;
      const isReached = heartbeat?.agrees === true && logState.seq >= logState.head;
      return isReached && cause === 'epoch' ? { ...state, cause: null } : state;
    }),
    only: ['issuer-clock', 'event-key', 'issuer', 'retention'],
  },
  'rows are pruned by a heartbeat from ahead': { aheadPrunes: true, only: LEADS },
  'log time is lowered at the first record of the epoch': { ...loweredAtOnce(), only: ONE_SERVER },
  'rows are pruned by the log time before the clock was set': { prunesBeforeLowering: true, only: ONE_SERVER },
  'log time is never lowered': {
    ...shown((record) => (record.kind === 'heartbeat' ? { ...record, timeSince: null } : record)),
    only: BOTH_AHEAD,
  },
  'T of rows is lowered with log time': { lowersT: true, only: BOTH_AHEAD },
  'setting the clock denies no older keys': { noKidRows: true, only: LEADS },
  'setting the clock cuts off no other issuers': { othersGoOn: true, only: LEADS },
  'a cut-off of a user names open sessions only': { liveSidsOnly: true, only: CLOCKS },
  'the clocks of issuer and broker are never compared': { neverCompared: true, only: APART },
  'the faster of the clocks of issuer and broker is used': { takesFaster: true, only: APART },
  'the slower clock is used although the floor is above it': { belowFloor: true, only: APART },
  'tokens are minted while the clocks of issuer and broker are apart': { mintsWhileParted: true, only: APART },
  'a heartbeat made before the clocks were compared is published after': {
    publishesEarlierHeartbeats: true,
    only: APART,
  },
  'a use of a refresh token that is later counts as a retry': { negativeGrace: true, only: BOTH_AHEAD },
};
