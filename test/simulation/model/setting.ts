import type { FollowerCore } from '@rescind/feed/core';
import type { DriveWorld } from './drive.ts';
import type { Follower } from './follower.ts';
import type { Relay } from './relay.ts';
import type { SimRecord } from './truth.ts';

/** The fault that a run must find. */
export type Mutants = DriveWorld['mutants'] & {
  /** Replaces the core of the followers by a faulty one. */
  readonly wrap?: (core: FollowerCore) => FollowerCore;
  readonly prunesByOwnClock?: boolean;
  /** Followers prune by the time of a heartbeat from ahead. */
  readonly aheadPrunes?: boolean;
  readonly prunesBeforeLowering?: boolean;
  /** The issuer ignores proof that its event key was stolen. */
  readonly stolenKeyStays?: boolean;
  /** The only enabled faults: those that reveal the mutant soon. */
  readonly only?: readonly Fault[];
  /** Only runs of this kind can reveal the mutant: see `RelayWorld.steady`. */
  readonly steady?: 'calm' | 'stalls';
};

export interface World extends Omit<DriveWorld, 'mutants'> {
  readonly mutants: Mutants;
  readonly followers: Follower[];
  /** The records that a thief has signed. */
  readonly forged: Set<SimRecord>;
  readonly enabled: ReadonlySet<Fault>;
  /** The probability of a login in a step. */
  busy: number;
  relay: Relay | null;
  /** Whether the time server of issuer and readers was wrong, and the issuer's clock was set afterwards. */
  timeServer: 'right' | 'wrong' | 'readers-wrong';
  issuerBackAt: number;
  restores: number;
}

export const FAULTS = [
  'broker',
  'loss',
  'retention',
  'sends',
  'duplicates',
  'http',
  'drops',
  'slow',
  'crashes',
  'issuer',
  'restore',
  'event-key',
  'thief',
  'follower-clock',
  'suspend',
  'issuer-clock',
  'clock-command',
  'broker-clock',
  'excursion',
  'time-server',
  'files',
  'full-disk',
  'rubbish',
  'deaf',
  'leaps',
] as const;
export type Fault = (typeof FAULTS)[number];
