import { setTimeout as delay } from 'node:timers/promises';
import type { Acknowledgements, LogSource, Publisher, SignedHeartbeat } from '@rescind/feed';
import { readOwnEvent } from '@rescind/feed/event';
import type { Clock, DurationMs, EpochMillis, HealthCheck, Telemetry } from '@rescind/revocation';
import { recordStep } from '@rescind/revocation';
import type { ReferenceClock } from '@rescind/revocation/issuer-clock';
import type { CommittedLog, EventText } from '../store/log.ts';
import type { StoreTransaction } from '../store/store.ts';
import { isTooLate, overdueFrom, usualMs } from './acknowledgements.ts';
import { createClockComparison } from './comparison.ts';
import type { RelayEffect, RelayInput, RelaySend, RelayState } from './core.ts';
import { composeBatch, createRelayCore } from './core.ts';
import type { TailCheck } from './tail.ts';

/** Publishes the outbox, and a heartbeat each second. */
export interface Relay {
  /** What Kafka has acknowledged, and what the standby streams deliver instead. */
  readonly acknowledgements: Acknowledgements;
  health(): HealthCheck;
  /** Resolves when the clocks have been compared, or cannot be for now. */
  readonly compared: Promise<void>;
  /** Resolves when no send is running any more, and the publisher is closed. */
  close(): Promise<void>;
}

interface RelayOptions {
  readonly source: LogSource;
  readonly publisher: Publisher;
  readonly log: CommittedLog;
  /** Runs a transaction that stores the sent position, also while other writes are refused. */
  readonly note: (work: (tx: StoreTransaction) => Promise<void>) => Promise<void>;
  readonly tail: TailCheck;
  /** How long ago the epoch was opened. */
  readonly epochAgeMs: () => DurationMs;
  /** Whether writes are refused: then nothing is published. */
  readonly isRefusing: () => boolean;
  readonly clock: Clock;
  /** The clock of the publisher; undefined: it has none. */
  readonly reference: ReferenceClock | undefined;
  readonly telemetry: Telemetry;
}

const HEARTBEAT_MS: DurationMs = 1_000;
const TICK_MS: DurationMs = 100;
const CLOSE_TIMEOUT_MS: DurationMs = 1_000;
/** The interval at which `sent_seq` is stored: after a crash, events of this time are sent twice, which is harmless. */
const WATERMARK_INTERVAL_MS: DurationMs = 1_000;

/** Starts the relay, which continues after every failure of the publisher. */
export function openRelay(options: RelayOptions): Relay {
  const { source, publisher, log, note, tail, isRefusing, clock, telemetry } = options;
  const core = createRelayCore();
  const comparison = createClockComparison(options);
  let state: RelayState;
  let sending: Promise<void> = Promise.resolve();
  let closed = false;
  let lastError: string | null = null;
  let mark: { readonly epoch: string; readonly sentSeq: number } | undefined;
  let markedAt = clock.monotonic();
  let overdueTimer: NodeJS.Timeout | undefined;
  let isDelivering = false;
  const listeners = new Set<() => void>();

  function start(sentSeq: number): void {
    const { epoch, head } = source.snapshot();
    follow(core.start({ epoch, head }, { epoch, sentSeq }, clock.monotonic(), state.acknowledgements));
  }

  function input(event: RelayInput): void {
    follow(core.step(state, event));
  }

  function follow(step: { readonly state: RelayState; readonly effects: readonly RelayEffect[] }): void {
    state = step.state;
    for (const effect of step.effects) {
      if (effect.kind === 'mark') mark = effect;
      else sending = send(effect.send);
    }
    watchOverdue();
    noteDelivery();
  }

  /** Checks again when a waiting event becomes overdue, without waiting for the next tick. */
  function watchOverdue(): void {
    const from = overdueFrom(state.acknowledgements);
    if (from === null || isDelivering || closed || overdueTimer !== undefined) return;
    overdueTimer = setTimeout(
      failSafe(() => {
        overdueTimer = undefined;
        passTime();
        watchOverdue();
      }),
      Math.max(1, from - clock.monotonic()),
    );
  }

  /** Handles a timer after pending acknowledgements: after a suspension both arrive at once, and the event is then not overdue. */
  function passTime(): void {
    if (closed || isRefusing()) return;
    const inputTick = () => input({ kind: 'tick', now: clock.monotonic() });
    if (isTooLate(state.acknowledgements, clock.monotonic())) setImmediate(failSafe(() => !closed && inputTick()));
    else inputTick();
  }

  function overdue() {
    return closed || isRefusing() ? null : core.overdue(state, clock.monotonic());
  }

  function noteDelivery(): void {
    const now = overdue() !== null;
    if (now === isDelivering) return;
    isDelivering = now;
    telemetry.gauge('rescind_standby_delivering', now ? 1 : 0);
    const { patienceMs } = state.acknowledgements;
    const fields = { patienceMs, usualMs: usualMs(state.acknowledgements), lagEvents: lag() };
    if (now) {
      telemetry.count('rescind_standby_deliveries_total');
      telemetry.log('warn', 'standby_delivery_started', fields);
    } else telemetry.log('info', 'standby_delivery_ended', fields);
    for (const listener of [...listeners]) listener();
  }

  async function send(order: RelaySend): Promise<void> {
    const outcome = await attempt(order);
    if (closed) return;
    if (outcome.kind === 'again') failSafe(() => start(outcome.sentSeq))();
    else if (outcome.kind === 'compared') {
      failSafe(() => start(outcome.sentSeq))();
      failSafe(makeHeartbeat)();
    } else input(outcome.input);
  }

  type Outcome =
    | { readonly kind: 'again'; readonly sentSeq: number }
    /** The clocks have been compared. Heartbeats from before have the time of a clock that was not compared, and are discarded. */
    | { readonly kind: 'compared'; readonly sentSeq: number }
    | { readonly kind: 'done'; readonly input: RelayInput };

  async function attempt(order: RelaySend): Promise<Outcome> {
    try {
      // Checked after every failure, too: the brokers may now be those of another Kafka.
      const found = await tail.check(order.epoch, order.after);
      if (found.kind === 'refused' || closed) return notPublished();
      if (comparison.isDue()) {
        await comparison.make(found.newest);
        const sentSeq = found.kind === 'behind' ? found.sentSeq : order.after;
        return comparedUpTo(order, sentSeq);
      }
      if (found.kind === 'behind') return { kind: 'again', sentSeq: found.sentSeq };
      // The epoch has changed: nothing is sent, and the core begins again with the new epoch.
      if (source.snapshot().epoch !== order.epoch) return nothingSent(order);
      await sendClosingEvents();
      const rows = log.read(order.after, order.limit);
      const batch = composeBatch(order, rows);
      const round = comparison.round();
      const startMs = clock.now();
      const tookMs = await publish(batch.records);
      countPublished(rows);
      recordSteps(rows, order.epoch, startMs);
      if (batch.withHeartbeat) countPublished([{ type: 'heartbeat' }]);
      lastError = null;
      const { upTo, withHeartbeat } = batch;
      // The topic was empty, so this send was compared: a waiting heartbeat was made before the comparison.
      if (comparison.round() !== round) return comparedUpTo(order, upTo);
      const sent = { upTo, withHeartbeat, ...(tookMs === undefined ? {} : { tookMs }), now: clock.monotonic() };
      return { kind: 'done', input: { kind: 'sent', ...sent } };
    } catch (error) {
      tail.again();
      noteError(error);
      return notPublished();
    }
  }

  function comparedUpTo({ epoch }: RelaySend, sentSeq: number): Outcome {
    return { kind: 'compared', sentSeq: source.snapshot().epoch === epoch ? sentSeq : 0 };
  }

  /** How long the acknowledgement took; undefined: there was nothing to publish. */
  async function publish(records: readonly string[]): Promise<DurationMs | undefined> {
    if (records.length === 0) return undefined;
    const begunAt = clock.monotonic();
    input({ kind: 'publishing', now: begunAt });
    await publisher.publish(records);
    const tookMs = clock.monotonic() - begunAt;
    comparison.acknowledged(tookMs);
    return tookMs;
  }

  /** Sends unsent closing events, before any event of the epoch that followed. */
  async function sendClosingEvents(): Promise<void> {
    for (const { epoch, jws } of log.unsentClosingEvents()) {
      await publisher.publish([jws]);
      countPublished([{ type: 'event-key-revoked' }]);
      await note((tx) => tx.closingEvents.markSent(epoch));
    }
  }

  function countPublished(events: readonly Pick<EventText, 'type'>[]): void {
    const totals = new Map<string, number>();
    for (const { type } of events) totals.set(type, (totals.get(type) ?? 0) + 1);
    for (const [type, total] of totals) telemetry.count('rescind_events_published_total', { type }, total);
  }

  function recordSteps(rows: readonly EventText[], epoch: string, startMs: EpochMillis): void {
    if (telemetry.step === undefined) return;
    const endMs = clock.now();
    for (const { jws, seq } of rows) {
      recordStep(telemetry, () => ({
        name: 'rescind.publish',
        txn: readOwnEvent(jws).txn,
        startMs,
        endMs,
        epoch,
        seq,
      }));
    }
  }

  function nothingSent({ after }: RelaySend): Outcome {
    return { kind: 'done', input: { kind: 'sent', upTo: after, withHeartbeat: false, now: clock.monotonic() } };
  }

  function notPublished(): Outcome {
    comparison.failed();
    return { kind: 'done', input: { kind: 'failed', now: clock.monotonic() } };
  }

  function noteError(error: unknown): void {
    noteFailure(error instanceof Error ? error.message : String(error));
  }

  function noteFailure(reason: string): void {
    telemetry.count('rescind_publish_failures_total');
    if (lastError === null) telemetry.log('warn', 'publish_failed', { error: reason });
    lastError = reason;
  }

  /** Wraps work so that an error of the database or a key does not end the relay: unsent events stay in the outbox. */
  function failSafe(work: () => void): () => void {
    return () => {
      try {
        work();
      } catch (error) {
        noteError(error);
      }
    };
  }

  async function persistWatermark(force: boolean): Promise<void> {
    if (mark === undefined || (!force && clock.monotonic() - markedAt < WATERMARK_INTERVAL_MS)) return;
    const { epoch: of, sentSeq } = mark;
    mark = undefined;
    markedAt = clock.monotonic();
    try {
      await note((tx) => tx.meta.setSentSeq(of, sentSeq));
    } catch (error) {
      mark ??= { epoch: of, sentSeq };
      noteError(error);
    }
  }

  function tick(): void {
    if (isRefusing()) {
      noteDelivery();
      return;
    }
    passTime();
    void persistWatermark(false);
    telemetry.gauge('rescind_relay_lag_events', lag());
    telemetry.gauge('rescind_relay_acknowledgement_seconds', (usualMs(state.acknowledgements) ?? 0) / 1_000);
  }

  function makeHeartbeat(): void {
    if (isRefusing()) return;
    const heartbeat = source.heartbeat();
    const round = comparison.round();
    const sendUnlessEarly = (signed: SignedHeartbeat) => {
      if (round === comparison.round()) sendHeartbeat(signed);
    };
    if (heartbeat instanceof Promise) heartbeat.then(sendUnlessEarly).catch(noteError);
    else sendHeartbeat(heartbeat);
  }

  function sendHeartbeat({ jws, epoch, head }: SignedHeartbeat): void {
    // The heartbeat may have waited until its epoch ended: the next one is of the new epoch.
    if (closed || isRefusing() || source.snapshot().epoch !== epoch) return;
    input({ kind: 'heartbeat', epoch, jws, head, now: clock.monotonic() });
  }

  function lag(): number {
    const { head } = source.snapshot();
    return Math.max(0, head - state.sentSeq);
  }

  const { epoch, head } = source.snapshot();
  const startedAt = clock.monotonic();
  const known = { epochSince: startedAt - options.epochAgeMs() };
  const started = core.start({ epoch, head }, { epoch, sentSeq: log.sentSeq(epoch) }, startedAt, known);
  state = started.state;
  if (!isRefusing()) follow(started);
  const stopListening = source.onAppend(
    failSafe(() => {
      if (closed || isRefusing()) return;
      input({ kind: 'appended', ...source.snapshot(), now: clock.monotonic() });
    }),
  );
  const timers = [setInterval(failSafe(tick), TICK_MS), setInterval(failSafe(makeHeartbeat), HEARTBEAT_MS)];
  // Made at once, so that callers that wait for the comparison do not wait for the first timer.
  if (comparison.isDue()) failSafe(makeHeartbeat)();

  return {
    compared: comparison.settled,
    acknowledgements: {
      readUpTo: () => core.readUpTo(state, clock.monotonic()),
      overdue,
      onChange(listener) {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
    },
    health() {
      const refusing = isRefusing();
      const { acknowledgements } = state;
      const isLate = isTooLate(acknowledgements, clock.monotonic());
      const usual = usualMs(acknowledgements);
      return {
        name: 'relay',
        status: refusing || lastError !== null || isLate ? 'warn' : 'pass',
        lagEvents: lag(),
        sentSeq: state.sentSeq,
        failures: state.failures,
        acknowledgementMs: usual && Math.round(usual),
        patienceMs: Math.round(acknowledgements.patienceMs),
        standbyDelivery: isDelivering,
        lastError: refusing ? 'the database was restored: nothing is published' : lastError,
      };
    },
    async close() {
      closed = true;
      clearTimeout(overdueTimer);
      stopListening();
      for (const timer of timers) clearInterval(timer);
      // A send to a Kafka that answers ends soon; one to a Kafka that does not ends with the publisher.
      await Promise.race([sending, delay(CLOSE_TIMEOUT_MS, undefined, { ref: false })]);
      await publisher.close();
      await sending;
      await persistWatermark(true);
    },
  };
}
