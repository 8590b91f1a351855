import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import type { Clock, DurationMs, EpochMillis, HealthCheck, Telemetry } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import type { LogChange, Quarantined } from '@rescind/revocation/log-state';
import { option, optionsOf } from '@rescind/revocation/options';
import { createBackoff } from '../backoff.ts';
import type { View } from '../follower/core.ts';
import type { Feed, FeedStore } from '../ports.ts';
import type { InstanceReport, ReportAnswer } from './report.ts';
import { MAX_EARLIER, MAX_HELD_MS } from './report.ts';

/** A report comes at least so often: an issuer that has received none for 15 s lists the instance as lost. */
const EVERY_MS: DurationMs = 5_000;
const FIRST_RETRY_MS: DurationMs = 1_000;
/** An issuer of a version that takes no reports may be replaced by one that does. */
const UNSUPPORTED_RETRY_MS: DurationMs = 60_000;
/** The wait for the answer to the last report, while the instance stops. */
const GOODBYE_MS: DurationMs = 500;
const TIMEOUT_MS: DurationMs = 5_000;

/** What operators know an instance by. */
export interface InstanceOptions {
  /** A name that is unique in its service. Default: `<host name>:<process id>`. At most 128 visible characters. */
  readonly name?: string | undefined;
  /** The version of the service. Default: unknown. At most 128 visible characters. */
  readonly version?: string | undefined;
}

const VISIBLE = /^[^\p{Cc}\p{Default_Ignorable_Code_Point}\p{Bidi_Control}\u2028\u2029]{1,128}$/u;
const named = option.text('1 to 128 visible characters', VISIBLE);

/** The check of the option `instance`; `false`: the instance sends no reports. */
export const instanceOptions = option.either(
  false,
  optionsOf<InstanceOptions>('instance', { name: named, version: named }),
);

/** Reports to the issuer how far this instance has applied the log. No decision waits for it. */
export interface Reporter {
  /** The store, with each change noted that is enforced, and each that is durable. */
  readonly store: FeedStore;
  /** Begins to report: the instance is ready. */
  start(): void;
  /** The check `reports`; empty: no transport of the feed takes reports. */
  health(): HealthCheck[];
  /** Sends the last report, waits at most 500 ms for the answer, and never rejects. */
  close(): Promise<void>;
}

interface ReporterOptions {
  readonly log: string;
  readonly feed: Feed;
  readonly store: FeedStore;
  readonly instance: InstanceOptions | false;
  view(): View;
  readonly clock: Pick<Clock, 'now' | 'monotonic'>;
  readonly telemetry: Telemetry;
}

/** A position with the monotonic time at which it was enforced. */
interface Enforced {
  readonly epoch: string;
  readonly seq: number;
  readonly at: DurationMs;
}

export function createReporter(options: ReporterOptions): Reporter {
  const { feed, store, instance, log } = options;
  const submit = [feed.fallback, feed.primary].find((transport) => transport?.submitReport !== undefined)?.submitReport;
  if (submit === undefined || instance === false) {
    return { store, start: () => undefined, health: () => [], close: async () => undefined };
  }
  const positions = createPositions(log, store, options.clock);
  const sender = createSender({ ...options, instance, positions, submit });
  return {
    store: {
      load: (name) => store.load(name),
      quarantined: (name) => store.quarantined(name),
      pendingRows: () => store.pendingRows(),
      enforce(change) {
        store.enforce(change);
        positions.enforced(change);
      },
      flush() {
        store.flush();
        if (positions.flushed()) sender.advanced();
      },
    },
    start: sender.start,
    health: sender.health,
    close: sender.close,
  };
}

/** The positions that are durable and not reported yet, and those that are enforced and not durable yet. */
interface Positions {
  enforced(change: LogChange): void;
  /** Returns whether the durable position has advanced. */
  flushed(): boolean;
  /** The durable position, with the earlier ones that are to be reported with it. */
  current(): { readonly last: Enforced; readonly earlier: readonly Enforced[] };
  /** Forgets positions that the issuer has accepted. */
  reported(positions: readonly Enforced[]): void;
}

function createPositions(log: string, store: FeedStore, clock: Pick<Clock, 'monotonic'>): Positions {
  const keyOf = ({ epoch, seq }: Pick<Quarantined, 'epoch' | 'seq'>) => `${epoch}:${seq}`;
  /** Events that are not understood deny nothing, so the position that is reported ends before the first one. */
  const quarantined = new Map(store.quarantined(log).map((event) => [keyOf(event), event]));
  const { epoch = '', seq = 0 } = store.load(log) ?? {};
  let last: Enforced = { epoch, seq: understoodUpTo(epoch, seq), at: clock.monotonic() };
  /** Durable, and not reported yet, the last one included. */
  let unreported: Enforced[] = [];
  let pending: Enforced[] = [];
  let newest = last;

  function understoodUpTo(of: string, to: number): number {
    let least = to;
    for (const event of quarantined.values()) if (event.epoch === of) least = Math.min(least, event.seq - 1);
    return least;
  }

  return {
    enforced({ state, quarantine = [], release = [] }) {
      if (state.log !== log) return;
      for (const event of quarantine) quarantined.set(keyOf(event), event);
      for (const event of release) quarantined.delete(keyOf(event));
      const position = quarantined.size === 0 ? state.seq : understoodUpTo(state.epoch, state.seq);
      if (state.epoch === newest.epoch && position <= newest.seq) return;
      newest = { epoch: state.epoch, seq: position, at: clock.monotonic() };
      pending.push(newest);
      if (pending.length > MAX_EARLIER) pending.shift();
    },
    flushed() {
      const reached = pending.at(-1);
      if (reached === undefined) return false;
      unreported = [...unreported, ...pending].filter((one) => one.epoch === reached.epoch).slice(-MAX_EARLIER);
      [last, pending] = [reached, []];
      return true;
    },
    current: () => ({ last, earlier: unreported.filter((one) => one !== last) }),
    reported(reported) {
      const known = new Set(reported);
      unreported = unreported.filter((one) => !known.has(one));
    },
  };
}

interface SenderOptions extends Omit<ReporterOptions, 'store'> {
  readonly instance: InstanceOptions;
  readonly positions: Positions;
  submit(report: InstanceReport, options: { readonly timeoutMs: DurationMs }): Promise<ReportAnswer>;
}

type Result = 'accepted' | 'refused' | 'failed' | 'unsupported';

function createSender({ instance, positions, submit, view, clock, telemetry }: SenderOptions) {
  const key = randomBytes(24).toString('base64url');
  const about = { key, instance: instance.name ?? `${hostname()}:${process.pid}`, version: instance.version ?? null };
  const backoff = createBackoff(FIRST_RETRY_MS, EVERY_MS, 0.5);
  let timer: NodeJS.Timeout | undefined;
  let state: 'waiting' | 'started' | 'closed' = 'waiting';
  let isSending = false;
  /** Whether the position has advanced beyond what was last reported. */
  let hasAdvanced = false;
  /** The monotonic time before which no report is sent. */
  let notBefore: DurationMs = 0;
  let failures = 0;
  let lastError: string | null = null;
  let lastResult: Result | null = null;
  let acceptedAt: EpochMillis | null = null;

  const schedule = (waitMs: DurationMs) => {
    clearTimeout(timer);
    if (state === 'closed') return;
    timer = setTimeout(() => void send(), Math.max(0, waitMs)).unref();
  };

  const report = (leaving: boolean) => {
    const { last, earlier } = positions.current();
    const now = clock.monotonic();
    const { ageMs, suspect, transport } = view();
    // A log may be quiet for longer than the issuer accepts.
    const held = ({ at }: Enforced) => Math.min(MAX_HELD_MS, Math.max(0, Math.round((now - at) * 10) / 10));
    const positioned = earlier.map((one) => ({ seq: one.seq, heldMs: held(one) }));
    const text: InstanceReport = {
      ...about,
      epoch: last.epoch,
      seq: last.seq,
      heldMs: held(last),
      earlier: positioned,
      ageMs: Number.isFinite(ageMs) ? Math.round(ageMs) : null,
      suspect,
      transport,
      leaving,
    };
    return { text, last, earlier };
  };

  const note = (result: Result, error: string | null) => {
    telemetry.count('rescind_reports_sent_total', { result });
    if (result === 'accepted') {
      if (failures > 0) telemetry.log('info', 'reports_accepted', { failures });
      failures = 0;
      acceptedAt = clock.now();
    } else {
      failures += 1;
      // An outage of an hour is one log line, not thousands.
      if (result !== lastResult)
        telemetry.log(result === 'unsupported' ? 'info' : 'warn', 'report_failed', { result, error });
    }
    [lastResult, lastError] = [result, error];
  };

  async function send(): Promise<void> {
    // A position before the first epoch is none.
    if (state !== 'started' || isSending || positions.current().last.epoch === '') return schedule(EVERY_MS);
    isSending = true;
    hasAdvanced = false;
    const { text, last, earlier } = report(false);
    try {
      const { nextMs } = await submit(text, { timeoutMs: TIMEOUT_MS });
      positions.reported([...earlier, last]);
      note('accepted', null);
      backoff.reset();
      notBefore = clock.monotonic() + nextMs;
      // The random part keeps the instances of a fleet apart.
      schedule(hasAdvanced ? nextMs : EVERY_MS * (0.9 + Math.random() * 0.1));
    } catch (error) {
      const result = resultOf(error);
      note(result, describe(error));
      const wait = result === 'unsupported' ? UNSUPPORTED_RETRY_MS : backoff.next();
      notBefore = clock.monotonic() + wait;
      schedule(wait);
    } finally {
      isSending = false;
    }
  }

  return {
    start() {
      if (state !== 'waiting') return;
      state = 'started';
      schedule(0);
    },
    advanced() {
      if (hasAdvanced) return;
      hasAdvanced = true;
      if (state === 'started' && !isSending) schedule(notBefore - clock.monotonic());
    },
    health: (): HealthCheck[] => [
      {
        name: 'reports',
        status: failures === 0 || lastResult === 'unsupported' ? 'pass' : 'warn',
        state: lastResult ?? 'not_yet_sent',
        instance: about.instance,
        failures,
        lastError,
        lastAcceptedAt: acceptedAt === null ? null : new Date(acceptedAt).toISOString(),
      },
    ],
    async close() {
      const isKnown = state === 'started' && acceptedAt !== null;
      state = 'closed';
      clearTimeout(timer);
      if (!isKnown) return;
      try {
        await submit(report(true).text, { timeoutMs: GOODBYE_MS });
        telemetry.count('rescind_reports_sent_total', { result: 'accepted' });
      } catch (error) {
        telemetry.count('rescind_reports_sent_total', { result: resultOf(error) });
      }
    },
  };
}

function resultOf(error: unknown): Result {
  if (!(error instanceof RescindError)) return 'failed';
  if (error.code === 'not_found') return 'unsupported';
  return error.code === 'busy' ? 'failed' : 'refused';
}

const describe = (error: unknown) => (error instanceof RescindError ? error.code : 'unreachable');
