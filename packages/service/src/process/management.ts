import type { IncomingMessage, ServerResponse } from 'node:http';
import type { HealthCheck, Telemetry } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import { errorResponse } from '@rescind/revocation/http';
import { readinessReport } from '@rescind/revocation/metrics';
import { z } from 'zod';
import { readJson } from '../http/input.ts';
import { requireUnambiguous } from '../http/request-head.ts';
import type { ConnectionLimits, ListeningServer } from '../http/server.ts';
import { listen } from '../http/server.ts';
import type { Metrics } from '../telemetry/metrics.ts';

interface ManagementOptions {
  readonly port: number;
  readonly host?: string | undefined;
  readonly limits: ConnectionLimits;
  readonly telemetry: Telemetry;
  /** The service's name and version, for `/version`. */
  readonly name: string;
  readonly version: string;
  readonly metrics: Metrics;
  /** Whether the service accepts requests: it has caught up, and is not stopping. */
  ready(): boolean;
  health(): readonly HealthCheck[];
  /** Default: there is no `/explain`. */
  readonly explain?: Explain | undefined;
}

/** A response of the management port. */
interface ManagementResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/**
 * Serves `/livez`, `/readyz`, `/metrics` and `/version`, and `/explain` if it is given, on a port for operators only.
 */
export function openManagement(options: ManagementOptions): Promise<ListeningServer> {
  const pages: Readonly<Record<string, () => ManagementResponse | Promise<ManagementResponse>>> = {
    '/livez': () => json(200, { status: 'pass' }),
    '/readyz': () => readiness(options),
    '/metrics': async () => ({
      status: 200,
      headers: { 'Content-Type': options.metrics.contentType },
      body: await options.metrics.text(),
    }),
    '/version': () => json(200, { name: options.name, version: options.version }),
  };
  const { explain, port, host, limits, telemetry } = options;
  const answer = async (request: IncomingMessage): Promise<ManagementResponse> => {
    requireUnambiguous(request);
    const path = (request.url ?? '').split('?')[0] ?? '';
    if (path === '/explain' && explain !== undefined) {
      return request.method === 'POST' ? json(200, await answerExplain(request, explain)) : wrongMethod('POST');
    }
    const page = pages[path];
    if (page === undefined) return refused(new RescindError('not_found'));
    return request.method === 'GET' || request.method === 'HEAD' ? await page() : wrongMethod('GET, HEAD');
  };
  return listen(
    (request, response) => {
      answer(request).then(
        (page) => send(response, page, request.method === 'HEAD'),
        (error: unknown) => send(response, refused(error), false),
      );
    },
    { port, host, listener: 'management', limits, telemetry },
  );
}

/** The HTTP status is the readiness. */
function readiness(source: ManagementOptions): ManagementResponse {
  const { status, body } = readinessReport(source);
  return json(status, body);
}

function json(status: number, body: object): ManagementResponse {
  return { status, headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) };
}

const wrongMethod = (allow: string) => refused(new RescindError('method_wrong'), { Allow: allow });

function refused(thrown: unknown, more: Readonly<Record<string, string>> = {}): ManagementResponse {
  const error = thrown instanceof RescindError ? thrown : new RescindError('internal', { cause: thrown });
  const { status, headers, body } = errorResponse(error);
  return { status, headers: { ...headers, ...more }, body };
}

function send(response: ServerResponse, { status, headers, body }: ManagementResponse, headOnly: boolean): void {
  response.writeHead(status, { 'Cache-Control': 'no-store', ...headers, 'Content-Length': Buffer.byteLength(body) });
  response.end(headOnly ? undefined : body);
}

/** Explains to an operator what refuses a token, or claims. */
export type Explain = (tokenOrClaims: string | Readonly<Record<string, unknown>>) => object;

const explainBody = z.union(
  [z.strictObject({ token: z.string().min(1) }), z.strictObject({ claims: z.record(z.string(), z.unknown()) })],
  { error: 'must be { "token": … } or { "claims": { … } }' },
);

/** Reads `{ "token" }` or `{ "claims" }` and explains it. @throws RescindError as `readJson` does */
async function answerExplain(request: IncomingMessage, explain: Explain): Promise<object> {
  const body = await readJson(request, explainBody);
  return explain('token' in body ? body.token : body.claims);
}
