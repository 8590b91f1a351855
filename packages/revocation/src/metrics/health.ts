import type { HealthCheck, Telemetry } from '../telemetry.ts';

/** The readiness and the checks of a process. */
export interface HealthSource {
  /** Whether the process is to receive requests. */
  ready(): boolean;
  /** The checks as they are now. */
  health(): readonly HealthCheck[];
}

/** The response of `/readyz`. */
export interface ReadinessReport {
  /** 200 if the process is ready, else 503. */
  readonly status: 200 | 503;
  /** `status` is the worst one of the checks: a process may be degraded and ready. */
  readonly body: { readonly status: HealthCheck['status']; readonly checks: readonly HealthCheck[] };
}

/** Returns the response of `/readyz`: the check `ready`, then those of the process. */
export function readinessReport({ ready, health }: HealthSource): ReadinessReport {
  const isReady = ready();
  const checks: HealthCheck[] = [{ name: 'ready', status: isReady ? 'pass' : 'fail' }, ...health()];
  const worst = [...STATUSES].reverse().find((status) => checks.some((check) => check.status === status)) ?? 'pass';
  return { status: isReady ? 200 : 503, body: { status: worst, checks } };
}

const STATUSES = ['pass', 'warn', 'fail'] as const;

/** Returns a function that sets `rescind_ready` and `rescind_health_check`, for a call before each scrape. */
export function createHealthMetrics(telemetry: Pick<Telemetry, 'gauge'>, { ready, health }: HealthSource): () => void {
  const names = new Set<string>();
  return () => {
    telemetry.gauge('rescind_ready', ready() ? 1 : 0);
    const present = new Map(health().map(({ name, status }) => [name, status]));
    for (const name of present.keys()) names.add(name);
    // A check that no longer exists has no status.
    for (const name of names) {
      for (const status of STATUSES) {
        telemetry.gauge('rescind_health_check', present.get(name) === status ? 1 : 0, { name, status });
      }
    }
  };
}
