import type { HealthSource } from './metrics/health.ts';
import { readinessReport } from './metrics/health.ts';

/** The metrics that `/metrics` exposes. */
export interface ExposedMetrics {
  readonly contentType: string;
  text(): string | Promise<string>;
}

/** The response of a probe, for every framework. */
export interface ProbeResponse {
  /** The HTTP status: 503 of `/readyz` while the process is not ready. */
  readonly status: number;
  /** The values by the names of the headers. */
  readonly headers: Readonly<Record<string, string>>;
  /** The text to send. */
  readonly body: string;
}

/** @returns undefined for every path that is no probe */
export type Probe = (path: string) => Promise<ProbeResponse> | undefined;

interface ProbeOptions extends HealthSource {
  /** Undefined: there is no `/metrics`. */
  readonly metrics: ExposedMetrics | undefined;
  /** Called before each scrape, to set gauges. */
  measure(): void;
}

/** Creates the responses to `GET` of `/livez`, `/readyz` and `/metrics`. */
export function createProbe({ metrics, measure, ...source }: ProbeOptions): Probe {
  async function exposition({ contentType, text }: ExposedMetrics): Promise<ProbeResponse> {
    measure();
    return respond(200, contentType, await text());
  }

  return (path) => {
    if (path === '/livez') return Promise.resolve(respond(200, JSON_TYPE, JSON.stringify({ status: 'pass' })));
    if (path === '/metrics') return metrics && exposition(metrics);
    if (path !== '/readyz') return undefined;
    const { status, body } = readinessReport(source);
    return Promise.resolve(respond(status, JSON_TYPE, JSON.stringify(body)));
  };
}

const JSON_TYPE = 'application/json';

const respond = (status: number, type: string, body: string): ProbeResponse => ({
  status,
  headers: { 'Content-Type': type, 'Cache-Control': 'no-store' },
  body,
});
