import type { IssuerClock, ReferenceClock } from '@rescind/revocation/issuer-clock';
import { createReferenceClock } from '@rescind/revocation/issuer-clock';
import type { Random } from './random.ts';
import { Violation } from './truth.ts';

/** The parts of the model of an issuer, and of the world, that it requires. */
interface Issuer {
  readonly aheadMs: number;
  readonly comparison: Comparison | null;
  readonly database: { clockFloor: number };
}

interface IssuerWorld {
  readonly random: Random;
  readonly comparesClocks: boolean;
  readonly broker: { readonly aheadMs: number };
  readonly mutants: {
    readonly neverCompared?: boolean;
    readonly takesFaster?: boolean;
    readonly belowFloor?: boolean;
    readonly mintsWhileParted?: boolean;
  };
  now(): number;
}

const TOLERANCE_MS = 60_000;
/** The tolerance of checks: an acknowledgement takes some seconds, and a clock may be set after the comparison. */
const SLACK_MS = 10_000;

/** The knowledge of a process of the issuer about the broker's clock. */
export interface Comparison {
  readonly reference: ReferenceClock;
  /** Whether nothing may be published yet. */
  isDue: boolean;
  /** Whether an acknowledgement has been compared. */
  isMade: boolean;
}

/** @param trusts whose clock the operator has named for this process */
export function newComparison(
  issuer: Pick<Issuer, 'aheadMs'>,
  world: IssuerWorld,
  trusts: 'issuer' | 'publisher' | undefined,
): Comparison | null {
  if (!world.comparesClocks || world.mutants.neverCompared) return null;
  const clock = { now: () => wallOf(issuer, world), monotonic: () => world.now() };
  return { reference: createReferenceClock(clock, TOLERANCE_MS, trusts), isDue: trusts !== 'issuer', isMade: false };
}

/** The clock that the operator names as correct. */
export function namedBy(issuer: Issuer, world: IssuerWorld): 'issuer' | 'publisher' | undefined {
  if (!world.comparesClocks || !world.random.chance(0.2)) return undefined;
  const [own, broker] = [Math.abs(issuer.aheadMs), Math.abs(world.broker.aheadMs)];
  if (Math.abs(issuer.aheadMs - world.broker.aheadMs) <= TOLERANCE_MS) return undefined;
  return own < broker ? 'issuer' : 'publisher';
}

/** Compares the clocks, since the broker has just appended a record. @returns whether the first comparison finds them apart */
export function compareAppended({ comparison }: Issuer, { broker, now }: IssuerWorld, tookMs: number): boolean {
  if (comparison === null) return false;
  const isFirst = !comparison.isMade;
  comparison.isMade = true;
  comparison.reference.compare(brokerTime({ broker, now }), tookMs);
  return isFirst && comparison.reference.state() === 'parted';
}

/** How far the broker's clock is ahead of real time, as far as the issuer knows; undefined: unknown. */
export function knownAheadMs({ comparison }: Issuer, { now }: IssuerWorld): number | undefined {
  const at = comparison?.reference.now();
  return at === undefined ? undefined : at - Math.floor(now());
}

const wallOf = ({ aheadMs }: Pick<Issuer, 'aheadMs'>, { now }: Pick<IssuerWorld, 'now'>) => Math.floor(now() + aheadMs);
const brokerTime = ({ broker, now }: Pick<IssuerWorld, 'broker' | 'now'>) => Math.floor(now() + broker.aheadMs);

/** Whether no clock is trusted by the operator, and the two have never agreed in this process. */
function isOpen({ comparison }: Issuer, world: IssuerWorld): boolean {
  if (!world.comparesClocks) return false;
  return (
    comparison === null || (comparison.reference.trusted === undefined && comparison.reference.state() !== 'agreed')
  );
}

/** The slower of the two clocks. That of the broker may have been set since its last acknowledgement. */
export function slowerTime(issuer: Issuer, world: IssuerWorld): number {
  const told = issuer.comparison?.reference.now() ?? 0;
  return Math.min(wallOf(issuer, world), Math.max(brokerTime(world), told));
}

/**
 * Requires that a published heartbeat is not ahead of the slower clock, unless the floor is ahead of it.
 * @param slowerThen the time of the slower clock when the heartbeat was made: a clock may have been set since
 */
export function checkPublished(issuer: Issuer, world: IssuerWorld, at: number, slowerThen: number): void {
  if (!isOpen(issuer, world)) return;
  // A topic without a record has nothing to compare with.
  if (issuer.comparison?.isMade === false) return;
  if (at > Math.max(slowerThen, slowerTime(issuer, world), issuer.database.clockFloor) + TOLERANCE_MS + SLACK_MS) {
    throw new Violation('a heartbeat is ahead of the slower of the two clocks');
  }
}

/** Requires that nothing is minted while the clocks are known to be apart. */
export function checkMinted(issuer: Issuer, world: IssuerWorld): void {
  if (!isOpen(issuer, world) || issuer.comparison?.isMade !== true) return;
  if (issuer.comparison.reference.state() !== 'parted') return;
  throw new Violation('a token is minted while the clocks are apart');
}

/** The clock with a fault of `mutants` in its comparison with the broker's. */
export function wrongComparison(clock: IssuerClock, issuer: Issuer, world: IssuerWorld): IssuerClock {
  const { mutants } = world;
  const other = () =>
    issuer.comparison?.reference.state() === 'parted' ? issuer.comparison.reference.now() : undefined;
  if (mutants.takesFaster) {
    return {
      ...clock,
      heartbeat() {
        const { at, wall } = clock.heartbeat();
        const faster = Math.max(at, other() ?? 0, other() === undefined ? 0 : wallOf(issuer, world));
        return { at: faster, wall };
      },
    };
  }
  if (mutants.belowFloor) {
    return {
      ...clock,
      heartbeat() {
        const { at, wall } = clock.heartbeat();
        return { at: Math.min(at, other() === undefined ? at : clock.wall()), wall };
      },
    };
  }
  if (mutants.mintsWhileParted) {
    return {
      ...clock,
      mint() {
        if (other() === undefined) return clock.mint();
        const at = clock.now();
        issuer.database.clockFloor = at;
        return at;
      },
    };
  }
  return clock;
}
