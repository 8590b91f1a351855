import type { IncomingMessage, ServerResponse } from 'node:http';
import type { HealthCheck } from '@rescind/revocation';
import type { ListeningServer } from '../http/server.ts';
import { listen } from '../http/server.ts';
import type { Metrics } from '../telemetry/metrics.ts';

export interface ManagementOptions {
  readonly port: number;
  readonly host?: string | undefined;
  /** The service's name and version, for `/version`. */
  readonly name: string;
  readonly version: string;
  readonly metrics: Metrics;
  /** Whether it should be given requests: caught up, and not stopping. */
  ready(): boolean;
  health(): readonly HealthCheck[];
}

interface Answer {
  readonly status: number;
  readonly type?: string;
  readonly body: string;
}

/** Serves `/livez`, `/readyz`, `/metrics` and `/version`, for those who run the service and nobody else. */
export function openManagement(options: ManagementOptions): Promise<ListeningServer> {
  const pages: Readonly<Record<string, () => Answer | Promise<Answer>>> = {
    '/livez': () => json(200, { status: 'pass' }),
    '/readyz': () => readiness(options),
    '/metrics': async () => ({ status: 200, type: options.metrics.contentType, body: await options.metrics.text() }),
    '/version': () => json(200, { name: options.name, version: options.version }),
  };
  const answer = async (request: IncomingMessage): Promise<Answer> => {
    const page = pages[(request.url ?? '').split('?')[0] ?? ''];
    if (page === undefined) return json(404, { code: 'not_found' });
    return request.method === 'GET' || request.method === 'HEAD' ? await page() : json(405, { code: 'method_wrong' });
  };
  return listen(
    (request, response) => {
      answer(request).then(
        (page) => send(response, page, request.method === 'HEAD'),
        () => send(response, json(500, { code: 'internal' }), false),
      );
    },
    { port: options.port, host: options.host },
  );
}

/** Ready or not is said by the status; a check that is worse than `pass` is said beside it (degraded, still serving). */
function readiness({ ready, health }: ManagementOptions): Answer {
  const isReady = ready();
  const checks: HealthCheck[] = [{ name: 'ready', status: isReady ? 'pass' : 'fail' }, ...health()];
  const worst = checks.some(({ status }) => status === 'fail')
    ? 'fail'
    : checks.some(({ status }) => status === 'warn')
      ? 'warn'
      : 'pass';
  return json(isReady ? 200 : 503, { status: worst, checks });
}

function json(status: number, body: object): Answer {
  return { status, body: JSON.stringify(body) };
}

function send(response: ServerResponse, { status, type = 'application/json', body }: Answer, headOnly: boolean): void {
  const headers = { 'Content-Type': type, 'Cache-Control': 'no-store', 'Content-Length': Buffer.byteLength(body) };
  response.writeHead(status, status === 405 ? { ...headers, Allow: 'GET, HEAD' } : headers);
  response.end(headOnly ? undefined : body);
}
