import type { FollowerCore } from '@rescind/feed/core';
import type { DriveWorld } from './drive.ts';
import type { Follower } from './follower.ts';
import type { Relay } from './relay.ts';
import type { SimRecord } from './truth.ts';

/** The fault that a run must find. */
export type Mutants = DriveWorld['mutants'] & {
  /** Puts a wrong follower's core in the place of the right one. */
  readonly wrap?: (core: FollowerCore) => FollowerCore;
  readonly prunesByOwnClock?: boolean;
  /** Pruned by a heartbeat from ahead. */
  readonly aheadPrunes?: boolean;
  readonly prunesBeforeLowering?: boolean;
  /** The issuer does nothing about a proof that its event key was stolen. */
  readonly stolenKeyStays?: boolean;
  /** The only faults that happen: those by which it shows soon. */
  readonly only?: readonly Fault[];
  /** Nothing is wrong, or but for stalls of the broker: where it shows at all. */
  readonly steady?: 'calm' | 'stalls';
};

export interface World extends Omit<DriveWorld, 'mutants'> {
  readonly mutants: Mutants;
  readonly followers: Follower[];
  /** The records that a thief has signed. */
  readonly forged: Set<SimRecord>;
  readonly enabled: ReadonlySet<Fault>;
  /** How probable a login is in a step. */
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
