import type { HealthCheck, Telemetry } from '@rescind/revocation';

/** What `/readyz` answers from. */
interface HealthSource {
  ready(): boolean;
  health(): readonly HealthCheck[];
}

const STATUSES = ['pass', 'warn', 'fail'] as const;

/** Sets `rescind_ready` and `rescind_health_check` from the checks of the moment: to be called before each scrape. */
export function createHealthMetrics(telemetry: Telemetry, { ready, health }: HealthSource): () => void {
  const names = new Set<string>();
  return () => {
    telemetry.gauge('rescind_ready', ready() ? 1 : 0);
    const present = new Map(health().map(({ name, status }) => [name, status]));
    for (const name of present.keys()) names.add(name);
    // A check that has gone has no status, and is not left at its last one.
    for (const name of names) {
      for (const status of STATUSES) {
        telemetry.gauge('rescind_health_check', present.get(name) === status ? 1 : 0, { name, status });
      }
    }
  };
}
