import type { Telemetry } from '@rescind/revocation';
import type { LogSource, SignedHeartbeat } from '../ports.ts';

/** Each standby stream gets every tenth heartbeat, one each 10 s, in ten groups. */
const SLOTS = 10;
/** Most events that a delivery sends from before its begin. */
const DELIVERED_EVENTS = 1_000;

/**
 * The standby streams: connections of readers that read Kafka. While Kafka acknowledges in time they carry a heartbeat each
 * 10 s; while it does not, the events themselves and a heartbeat each second.
 */
export interface StandbyStreams {
  add(stream: StandbyListener): void;
  remove(stream: StandbyListener): void;
  size(): number;
  isDelivering(): boolean;
  /** A stream has been opened and its head written: it takes part in a delivery that is under way. */
  started(stream: StandbyListener): void;
  appended(): void;
  /** Once a second. */
  heartbeat(heartbeat: SignedHeartbeat): void;
  all(): readonly StandbyListener[];
  close(): void;
}

interface StandbyOptions {
  readonly source: LogSource;
  readonly telemetry: Telemetry;
  /** A heartbeat of the present log. */
  readonly current: () => SignedHeartbeat | Promise<SignedHeartbeat>;
}

export function createStandbyStreams({ source, telemetry, current }: StandbyOptions): StandbyStreams {
  const streams = new Map<StandbyListener, number>();
  let nextSlot = 0;
  let slot = 0;
  let recent: readonly SignedHeartbeat[] = [];
  let epoch = '';

  const overdue = () => source.acknowledgements?.overdue() ?? null;

  const begin = (chosen: Iterable<StandbyListener>) => {
    const delivery = overdue();
    if (delivery === null || !delivery.withEvents) return;
    const { after } = delivery;
    const { head } = source.snapshot();
    for (const stream of chosen) stream.deliver({ after, until: after + DELIVERED_EVENTS, resume: head });
  };

  const failed = (error: unknown) => telemetry.log('error', 'standby_delivery_failed', { error: String(error) });

  const changed = () => {
    if (streams.size === 0) return;
    if (overdue() === null) {
      for (const stream of [...streams.keys()]) stream.standBy();
      return;
    }
    try {
      begin([...streams.keys()]);
      whenSigned(current(), (heartbeat) => {
        for (const stream of [...streams.keys()]) stream.heartbeat(heartbeat);
      })?.catch(failed);
    } catch (error) {
      failed(error);
    }
  };
  const unsubscribe = source.acknowledgements?.onChange(changed);

  /**
   * The newest heartbeat whose head Kafka has acknowledged a second ago: readers have that event. One that is ahead of them
   * would make them request events that Kafka is about to deliver.
   */
  const covered = (heartbeat: SignedHeartbeat): SignedHeartbeat => {
    const readUpTo = source.acknowledgements?.readUpTo() ?? Number.POSITIVE_INFINITY;
    const kept = recent.findLast((one) => one.epoch === heartbeat.epoch && one.head <= readUpTo);
    return kept ?? heartbeat;
  };

  return {
    add(stream) {
      streams.set(stream, nextSlot);
      nextSlot = (nextSlot + 1) % SLOTS;
      telemetry.gauge('rescind_standby_streams', streams.size);
      if (streams.size === 1) epoch = source.snapshot().epoch;
    },
    remove(stream) {
      streams.delete(stream);
      telemetry.gauge('rescind_standby_streams', streams.size);
    },
    size: () => streams.size,
    isDelivering: () => overdue() !== null,
    started: (stream) => begin([stream]),
    appended() {
      if (streams.size === 0) return;
      const now = source.snapshot().epoch;
      const hasEnded = now !== epoch;
      epoch = now;
      if (!hasEnded && overdue()?.withEvents !== true) return;
      for (const stream of [...streams.keys()]) {
        if (hasEnded) stream.epochIs(now);
        else stream.appended();
      }
    },
    heartbeat(heartbeat) {
      slot = (slot + 1) % SLOTS;
      const isOverdue = overdue() !== null;
      // A young epoch may be old enough for events now.
      if (isOverdue) begin([...streams.keys()]);
      recent = [...recent, heartbeat].slice(-2 * SLOTS);
      const sent = isOverdue ? heartbeat : covered(heartbeat);
      for (const [stream, own] of [...streams]) if (isOverdue || own === slot) stream.heartbeat(sent);
    },
    all: () => [...streams.keys()],
    close() {
      unsubscribe?.();
      for (const stream of [...streams.keys()]) stream.end();
    },
  };
}

/** Calls `then` with a heartbeat, at once if it is signed already. */
export function whenSigned(
  heartbeat: SignedHeartbeat | Promise<SignedHeartbeat>,
  then: (heartbeat: SignedHeartbeat) => void,
): void | Promise<void> {
  return heartbeat instanceof Promise ? heartbeat.then(then) : then(heartbeat);
}

/** A connected reader. */
export interface Listener {
  /** Events may have been appended, or the epoch may have changed. */
  appended(): void;
  heartbeat(heartbeat: SignedHeartbeat): void;
  /** The buffered bytes of the reader. */
  buffered(): number;
  /** Disconnects at once; the reader resumes from its position. */
  cut(reason: string): void;
  end(reason?: string): void;
}

/** A standby stream: heartbeats only, until it is to deliver events. */
export interface StandbyListener extends Listener {
  /** Writes the events after a position as well. */
  deliver(from: Delivery): void;
  /** Heartbeats only, from now on. */
  standBy(): void;
  /** The present epoch of the log: the connection ends if it has another. */
  epochIs(now: string): void;
}

/** The events that a standby stream writes: those after `after`, without those from `until` to `resume`. */
export interface Delivery {
  readonly after: number;
  readonly until: number;
  readonly resume: number;
}
