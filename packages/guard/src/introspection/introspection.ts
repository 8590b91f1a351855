import type { Clock, DurationMs, HealthCheck, Telemetry } from '@rescind/revocation';
import type { Fetch } from '@rescind/token';
import type { FailureLog } from '../failure-log.ts';
import type { IssuerSettings } from '../issuer-options.ts';
import { findEndpoint } from '../metadata.ts';
import type { Breaker, Semaphore } from './limits.ts';
import { createBreaker, createSemaphore, createSingleFlight } from './limits.ts';
import type { IntrospectionSettings } from './options.ts';
import type { IntrospectionAnswer } from './request.ts';
import { IntrospectionFailure, introspectOnce } from './request.ts';

/** Introspects tokens at their issuer (RFC 7662). It caches no response. */
export interface Introspection {
  /** Introspects this token. @throws IntrospectionFailure if the response is not clear */
  introspect(token: string): Promise<IntrospectionAnswer>;
  /** `warn` while the circuit is open, or if the last introspection failed. */
  health(): HealthCheck[];
  /** Sets the gauge of the circuit breaker. The guard calls it every second. */
  measure(): void;
  /** Aborts requests that are under way. */
  close(): void;
}

export interface IntrospectionParts {
  readonly issuer: Pick<IssuerSettings, 'issuer' | 'issuerUrl'>;
  /** The name of the health check. */
  readonly name: string;
  readonly fetch: Fetch;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
  readonly logFailure: FailureLog;
}

/** Metrics: `rescind_introspections_total{result}`, `rescind_introspection_seconds`. Log lines: `introspection_failed`. */
export function openIntrospection(settings: IntrospectionSettings, parts: IntrospectionParts): Introspection {
  const { clock, telemetry, logFailure, name } = parts;
  const closing = new AbortController();
  const breaker = createBreaker(settings, clock);
  const semaphore = createSemaphore(settings);
  let lastError: string | null = null;
  let isTried = false;
  let found = settings.url;

  async function findUrl(signal: AbortSignal): Promise<string> {
    const request = { ...parts.issuer, fetch: parts.fetch, signal };
    found ??= (await findEndpoint('introspection_endpoint', request)) ?? settings.usualUrl;
    return found;
  }

  const requests = createSingleFlight(async (token, sent) => {
    const requestedAt = clock.monotonic();
    const release = await acquire(semaphore);
    try {
      requireOpen(closing.signal, breaker);
      sent();
      const left = settings.timeoutMs - (clock.monotonic() - requestedAt);
      return await introspectWithin(token, left);
    } finally {
      release();
    }
  });

  async function introspectWithin(token: string, left: DurationMs): Promise<IntrospectionAnswer> {
    if (!(left > 0)) {
      breaker.undecided();
      throw new IntrospectionFailure('busy', 'it waited too long for a place');
    }
    const signal = AbortSignal.any([closing.signal, AbortSignal.timeout(Math.ceil(left))]);
    isTried = true;
    try {
      const answer = await introspectOnce(settings, token, { fetch: parts.fetch, signal, findUrl });
      breaker.succeeded();
      lastError = null;
      return answer;
    } catch (error) {
      breaker.failed();
      // The endpoint may have moved.
      found = settings.url;
      throw error;
    }
  }

  return {
    async introspect(token) {
      const startedAt = clock.monotonic();
      try {
        const answer = await within(settings.timeoutMs, requests.run(token));
        telemetry.count('rescind_introspections_total', { result: answer });
        return answer;
      } catch (error) {
        const failure = error instanceof IntrospectionFailure ? error : unexpected(error);
        lastError = `${failure.result}: ${failure.message}`;
        telemetry.count('rescind_introspections_total', { result: failure.result });
        logFailure('introspection_failed', lastError);
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
      const state = isTried ? 'tried' : 'not_yet_tried';
      return [{ name, status, state, circuit, running: requests.count(), waiting: semaphore.waiting(), lastError }];
    },
    close: () => closing.abort(),
  };
}

/** Has the name of the error only: its message could quote a header. */
function unexpected(error: unknown): IntrospectionFailure {
  return new IntrospectionFailure('unusable', error instanceof Error ? error.name : 'unknown');
}

/** Limits the wait of a call that shares a request with others. */
async function within<T>(limitMs: DurationMs, answer: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new IntrospectionFailure('timeout', 'no answer in time')), limitMs);
  try {
    return await Promise.race([answer, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

async function acquire(semaphore: Semaphore): Promise<() => void> {
  const release = await semaphore.take();
  if (release === undefined) throw new IntrospectionFailure('busy', 'too many introspections wait');
  return release;
}

function requireOpen(closing: AbortSignal, breaker: Breaker): void {
  if (closing.aborted) throw new IntrospectionFailure('stopping', 'closed');
  if (!breaker.admits()) throw new IntrospectionFailure('open', 'too many consecutive failures: the circuit is open');
}
