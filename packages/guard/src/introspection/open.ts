import type { Clock, DurationMs, HealthCheck, Telemetry } from '@rescind/revocation';
import type { Fetch } from '@rescind/token';
import type { IssuerSettings } from '../issuer-options.ts';
import { findEndpoint } from '../metadata.ts';
import type { FailureLog } from '../trouble.ts';
import type { Breaker } from './breaker.ts';
import { createBreaker } from './breaker.ts';
import { IntrospectionFailure } from './failure.ts';
import { createSingleFlight } from './flights.ts';
import type { IntrospectionSettings } from './options.ts';
import type { IntrospectionAnswer } from './request.ts';
import { askIssuer } from './request.ts';
import type { Semaphore } from './turns.ts';
import { createSemaphore } from './turns.ts';

/** Asks an issuer about its tokens. Nothing of an answer is kept. */
export interface Introspection {
  /** What its issuer says about this token, now. @throws IntrospectionFailure when it gave no clear answer */
  ask(token: string): Promise<IntrospectionAnswer>;
  /** `warn` while the circuit is open, or the last answer was none. */
  health(): HealthCheck[];
  /** Sets the gauge of the circuit breaker: to be called every second or so. */
  measure(): void;
  /** Ends what is under way. */
  close(): void;
}

export interface IntrospectionParts {
  readonly issuer: Pick<IssuerSettings, 'issuer' | 'issuerUrl'>;
  /** Of the health check. */
  readonly name: string;
  readonly fetch: Fetch;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
  readonly trouble: FailureLog;
}

/** Metrics: `rescind_introspections_total{result}`, `rescind_introspection_seconds`. Log lines: `introspection_failed`. */
export function openIntrospection(settings: IntrospectionSettings, parts: IntrospectionParts): Introspection {
  const { clock, telemetry, trouble, name } = parts;
  const closing = new AbortController();
  const breaker = createBreaker(settings, clock);
  const turns = createSemaphore(settings);
  let lastError: string | null = null;
  let isTried = false;
  let found = settings.url;

  async function place(signal: AbortSignal): Promise<string> {
    const request = { ...parts.issuer, fetch: parts.fetch, signal };
    found ??= (await findEndpoint('introspection_endpoint', request)) ?? settings.usualUrl;
    return found;
  }

  const flights = createSingleFlight(async (token, sent) => {
    const askedAt = clock.monotonic();
    const leave = await takeTurn(turns);
    try {
      requireOpen(closing.signal, breaker);
      sent();
      const left = settings.timeoutMs - (clock.monotonic() - askedAt);
      return await askWithin(token, left);
    } finally {
      leave();
    }
  });

  async function askWithin(token: string, left: DurationMs): Promise<IntrospectionAnswer> {
    if (!(left > 0)) {
      breaker.undecided();
      throw new IntrospectionFailure('busy', 'its turn came too late');
    }
    const signal = AbortSignal.any([closing.signal, AbortSignal.timeout(Math.ceil(left))]);
    isTried = true;
    try {
      const answer = await askIssuer(settings, token, { fetch: parts.fetch, signal, place });
      breaker.succeeded();
      lastError = null;
      return answer;
    } catch (error) {
      breaker.failed();
      // It may have moved.
      found = settings.url;
      throw error;
    }
  }

  return {
    async ask(token) {
      const startedAt = clock.monotonic();
      try {
        const answer = await within(settings.timeoutMs, flights.ask(token));
        telemetry.count('rescind_introspections_total', { result: answer });
        return answer;
      } catch (error) {
        const failure = error instanceof IntrospectionFailure ? error : unforeseen(error);
        lastError = `${failure.result}: ${failure.message}`;
        telemetry.count('rescind_introspections_total', { result: failure.result });
        trouble('introspection_failed', lastError);
        throw failure;
      } finally {
        telemetry.observe('rescind_introspection_seconds', (clock.monotonic() - startedAt) / 1000);
      }
    },
    measure() {
      for (const state of ['closed', 'open', 'half-open'] as const) {
        telemetry.gauge('rescind_introspection_circuit', breaker.state() === state ? 1 : 0, { check: name, state });
      }
    },
    health() {
      const circuit = breaker.state();
      const status = circuit === 'closed' && lastError === null ? 'pass' : 'warn';
      const state = isTried ? 'asked' : 'not_yet_tried';
      return [{ name, status, state, circuit, underWay: flights.count(), waiting: turns.waiting(), lastError }];
    },
    close: () => closing.abort(),
  };
}

/** By its name only: the message could quote a header. */
function unforeseen(error: unknown): IntrospectionFailure {
  return new IntrospectionFailure('unusable', error instanceof Error ? error.name : 'unknown');
}

/** Who shares a flight that began earlier, or waits for the next, waits no longer than one that flies at once. */
async function within<T>(limitMs: DurationMs, answer: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new IntrospectionFailure('timeout', 'no answer in time')), limitMs);
  try {
    return await Promise.race([answer, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

async function takeTurn(turns: Semaphore): Promise<() => void> {
  const leave = await turns.take();
  if (leave === undefined) throw new IntrospectionFailure('busy', 'too many questions are waiting');
  return leave;
}

function requireOpen(closing: AbortSignal, breaker: Breaker): void {
  if (closing.aborted) throw new IntrospectionFailure('stopping', 'closed');
  if (!breaker.admits())
    throw new IntrospectionFailure('open', 'too many failures in a row: it is not asked for a while');
}
