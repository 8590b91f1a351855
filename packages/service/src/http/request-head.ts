import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Telemetry } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import { errorResponse } from '@rescind/revocation/http';
import { requestRefused } from './input.ts';

// Not by `import`: see docs/decisions/token-fetch.md.
const { STATUS_CODES } = process.getBuiltinModule('node:http');

/** Fields with one value: of two, a proxy could use one and the service the other (RFC 9110 section 5.3). */
const SINGULAR: ReadonlySet<string> = new Set([
  'authorization',
  'content-length',
  'content-type',
  'cookie',
  'host',
  'last-event-id',
  'origin',
  'transfer-encoding',
  'x-rescind-csrf',
]);

/** RFC 9110 section 7.2: a name or an address, and a port. */
const HOST = /^(\[[\da-f:.]+\]|[\w.~%!$&'()*+,;=-]+)(:\d{0,5})?$/i;

/**
 * Refuses a request with an ambiguous head: a single-valued field sent twice, a malformed `Host`, HTTP/1.1 without one, or a target with
 * another authority than `Host` (RFC 9112 section 3.2).
 * @throws RescindError `request_invalid`
 */
export function requireUnambiguous(request: IncomingMessage): void {
  const seen = new Set<string>();
  const { rawHeaders } = request;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = (rawHeaders[at] ?? '').toLowerCase();
    if (!SINGULAR.has(name)) continue;
    if (seen.has(name)) throw requestRefused(`must not have two ${name} fields`);
    seen.add(name);
  }
  const { host, 'transfer-encoding': coding } = request.headers;
  // Only this coding defines where the body ends (RFC 9112 section 6.1).
  if (coding !== undefined && coding.toLowerCase() !== 'chunked') {
    throw requestRefused('must have no transfer coding but chunked');
  }
  const mayBeAbsent = request.httpVersion === '1.0' && host === undefined;
  if (!mayBeAbsent && !HOST.test(host ?? '')) throw requestRefused('must have a Host field with a name or an address');
  const authority = authorityOf(request.url ?? '');
  if (authority !== undefined && authority !== host?.toLowerCase()) {
    throw requestRefused('must have the same authority in its target and its Host field');
  }
}

/** The authority of a target in absolute form (RFC 9112 section 3.2.2); undefined for other forms. */
function authorityOf(target: string): string | undefined {
  return /^[a-z][a-z\d+.-]*:\/\/([^/?#]*)/i.exec(target)?.[1]?.toLowerCase();
}

const REASONS = ['malformed', 'too_large', 'timeout'] as const;
const TOO_LARGE = 431;
const TIMED_OUT = 408;
const STATUS: Readonly<Record<string, { readonly status: number; readonly reason: 'too_large' | 'timeout' }>> = {
  HPE_HEADER_OVERFLOW: { status: TOO_LARGE, reason: 'too_large' },
  ERR_HTTP_REQUEST_TIMEOUT: { status: TIMED_OUT, reason: 'timeout' },
};

/** Answers malformed and late requests, and counts them (`rescind_http_malformed_total`). */
export function answerMalformed(
  server: Server,
  { listener, telemetry }: { readonly listener: string; readonly telemetry: Telemetry },
): void {
  for (const reason of REASONS) telemetry.count('rescind_http_malformed_total', { listener, reason }, 0);
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Duplex) => {
    const { status, reason } = STATUS[error.code ?? ''] ?? { status: 400, reason: 'malformed' as const };
    // The client has closed the connection.
    if (error.code === 'ECONNRESET' || error.code === 'EPIPE') {
      socket.destroy();
      return;
    }
    telemetry.count('rescind_http_malformed_total', { listener, reason });
    telemetry.log('debug', 'request_malformed', { listener, reason });
    if (!socket.writable || isAnswering(socket)) {
      socket.destroy();
      return;
    }
    const { headers, body } = errorResponse(new RescindError('request_invalid'), { status });
    const fields = { ...headers, 'Content-Length': Buffer.byteLength(body), Connection: 'close' };
    const head = [
      `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
      ...Object.entries(fields).map(([name, value]) => `${name}: ${value}`),
    ];
    socket.end(`${head.join('\r\n')}\r\n\r\n${body}`, () => socket.destroy());
  });
}

/** Whether a response has begun on the socket: the client would read another one as a part of it. */
function isAnswering(socket: Duplex): boolean {
  const { _httpMessage: response } = socket as Duplex & { readonly _httpMessage?: { readonly headersSent: boolean } };
  return response?.headersSent === true;
}
