import type { HealthCheck, Telemetry } from '@rescind/revocation';
import { silentTelemetry } from '@rescind/revocation';
import type { ExposedMetrics, Probe, TelemetryOption } from '@rescind/revocation/host-telemetry';
import { createProbe, telemetryOption, toHostTelemetry } from '@rescind/revocation/host-telemetry';
import { createHealthMetrics } from '@rescind/revocation/metrics';
import { option, optionsOf } from '@rescind/revocation/options';
import type { Issuer } from '../issuer.ts';

/** What `createTelemetry` returns: for the option `telemetry` of the issuer, of its publisher and of its router, and for its probes. */
export interface LoginTelemetry extends Telemetry {
  /** What `/metrics` exposes. Undefined: a `Telemetry` of the host's own, which exposes its metrics itself. */
  readonly metrics?: ExposedMetrics | undefined;
}

/**
 * Creates the telemetry of a login service from a logger such as pino, a registry of prom-client and the module `@opentelemetry/api`, each
 * optional. Without a logger, warnings and errors are lines on standard error; without a registry, metrics are kept in memory.
 * @throws TypeError for anything but these parts
 */
export function createTelemetry(given: Exclude<TelemetryOption, Telemetry> = {}): LoginTelemetry {
  const isEmpty = Object.values(given).every((part) => part === undefined);
  const { telemetry, metrics } = toHostTelemetry(isEmpty ? {} : telemetryOption(given, 'telemetry'), 'issuer');
  return { ...telemetry, metrics };
}

/** The options of the probes of a login service. */
export interface IssuerProbeOptions {
  /** Of `createTelemetry`, the same as that of the issuer. Default: no metrics, and `/metrics` is no probe. */
  readonly telemetry?: LoginTelemetry | undefined;
  /** Further checks of `/readyz`, such as `() => publisher.health()`. Default: those of the issuer alone. */
  readonly checks?: (() => readonly HealthCheck[]) | undefined;
}

const probeOptions = optionsOf<IssuerProbeOptions>('issuerProbe', {
  telemetry: option.telemetry,
  checks: option.callable(),
});

/**
 * Creates the responses to `GET` of `/livez` (200 while the process responds), `/readyz` (200 while the issuer can write, else 503; the
 * body has every check) and `/metrics` (the text format of Prometheus), for every framework. `issuerProbes` of `@rescind/issuer/express` serves them.
 * @throws TypeError for an option that is unknown or wrong
 */
export function issuerProbe(
  issuer: Pick<Issuer, 'ready' | 'health' | 'canWrite'>,
  options: IssuerProbeOptions = {},
): Probe {
  const { telemetry = silentTelemetry as LoginTelemetry, checks = () => [] } = probeOptions(options);
  let isOpen = false;
  issuer.ready.then(
    () => {
      isOpen = true;
    },
    () => undefined,
  );
  const source = { ready: () => isOpen && issuer.canWrite(), health: () => [...issuer.health(), ...checks()] };
  return createProbe({ ...source, metrics: telemetry.metrics, measure: createHealthMetrics(telemetry, source) });
}
