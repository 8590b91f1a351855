import type { Json } from './admin.ts';
import { reach, readBody } from './admin.ts';
import { CliError } from './errors.ts';

/** What the management port of a process reports. */
export interface ProcessReport {
  readonly url: string;
  readonly service: string;
  readonly version: string;
  readonly isReady: boolean;
  readonly checks: readonly HealthCheck[];
  /** How many tokens its guard has refused, by code, and accepted since it started; empty: it guards nothing. */
  readonly decisions: ReadonlyMap<string, number>;
  /** The server's time of the response, in milliseconds since 1970, to the second. */
  readonly date: number | undefined;
}

export interface HealthCheck {
  readonly name: string;
  readonly status: 'pass' | 'warn' | 'fail';
  readonly [detail: string]: unknown;
}

/** Asks a management port. @throws CliError `server_unreachable`, `server_unexpected` */
export async function readProcess(url: string, timeoutMs: number): Promise<ProcessReport> {
  const base = url.replace(/\/$/, '');
  const [version, health, metrics] = await Promise.all(
    ['/version', '/readyz', '/metrics'].map((path) => reach(new URL(`${base}${path}`), {}, timeoutMs)),
  );
  if (version === undefined || health === undefined || metrics === undefined)
    throw new TypeError('three requests have three responses');
  const [about, report] = await Promise.all([readJson(version, url, timeoutMs), readJson(health, url, timeoutMs)]);
  const checks = Array.isArray(report.checks) ? (report.checks as HealthCheck[]) : [];
  if (typeof about.name !== 'string' || checks.length === 0) throw unexpected(url);
  const date = Date.parse(health.headers.get('date') ?? '');
  return {
    url,
    service: about.name,
    version: String(about.version),
    isReady: health.status === 200,
    checks,
    decisions: decisionsOf(await readBody(metrics, timeoutMs)),
    date: Number.isNaN(date) ? undefined : date,
  };
}

async function readJson(response: Response, url: string, timeoutMs: number): Promise<Json> {
  const text = await readBody(response, timeoutMs);
  try {
    return JSON.parse(text) as Json;
  } catch {
    throw unexpected(url);
  }
}

/** Reads the counter of decisions from the text that Prometheus reads. */
function decisionsOf(metrics: string): ReadonlyMap<string, number> {
  const lines = metrics.matchAll(/^rescind_decisions_total\{[^}]*result="(\w+)"[^}]*\} (\d+)$/gm);
  return new Map([...lines].map(([, result = '', count]) => [result, Number(count)]));
}

const unexpected = (url: string) =>
  new CliError('failed', 'server_unexpected', `${url} is not a management port`, {
    next: 'check RESCIND_MANAGEMENT: it must be the addresses of MANAGEMENT_PORT',
  });

/** Checks that do not pass, the failing ones first. */
export const troubles = ({ checks }: ProcessReport): readonly HealthCheck[] =>
  [...checks].filter(({ status }) => status !== 'pass').sort((a, b) => a.status.localeCompare(b.status));

/** The details of a check in one line, without those that are empty. */
export function describeCheck({ name: _, status: __, ...details }: HealthCheck): string {
  const known = Object.entries(details).filter(([, value]) => value !== null && value !== undefined && value !== '');
  return known
    .map(([name, value]) => `${name} ${typeof value === 'object' ? JSON.stringify(value) : value}`)
    .join(', ');
}

/** Versions with their number: `0.2.0 × 5, 0.1.0 × 1`. */
export function countVersions(versions: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const version of versions) counts.set(version, (counts.get(version) ?? 0) + 1);
  const sorted = [...counts].sort(([, a], [, b]) => b - a);
  return sorted.map(([version, count]) => `${version} × ${count}`).join(', ');
}
