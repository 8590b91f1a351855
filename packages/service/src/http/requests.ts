import { randomUUID } from 'node:crypto';
import type { Clock, DurationMs, Telemetry } from '@rescind/revocation';
import type { Request, RequestHandler, Response } from 'express';
import { withRequestId } from '../telemetry/log.ts';

/** Of an id from outside: short enough that it is no token, and nothing that means something to anybody. */
const SANE_REQUEST_ID = /^[A-Za-z0-9._-]{1,64}$/;

/**
 * Gives each request an id (`X-Request-Id`, the sender's where it is sane), which every line written for it carries,
 * and writes and counts how it ended. The route's pattern is written, never the address: that may hold anything.
 */
export function logRequests(telemetry: Telemetry, clock: Clock): RequestHandler {
  return (request, response, next) => {
    const given = request.get('x-request-id');
    const requestId = given !== undefined && SANE_REQUEST_ID.test(given) ? given : randomUUID();
    response.setHeader('X-Request-Id', requestId);
    const begun = clock.monotonic();
    const ended = () => sayEnd(request, response, clock.monotonic() - begun, telemetry);
    // The end may come from elsewhere, such as a stop of the service.
    response.once('close', () => withRequestId(requestId, ended));
    withRequestId(requestId, next);
  };
}

/** nginx's word for a client that went away before its answer. */
const CLIENT_CLOSED_REQUEST = 499;

function sayEnd(request: Request, response: Response, ms: DurationMs, telemetry: Telemetry): void {
  const { method } = request;
  const isStream = String(response.getHeader('content-type') ?? '').startsWith('text/event-stream');
  const status = response.headersSent ? response.statusCode : CLIENT_CLOSED_REQUEST;
  const route = typeof request.route?.path === 'string' ? request.route.path : '(none)';
  telemetry.count('rescind_http_requests_total', { method, status: String(status) });
  if (!isStream) telemetry.observe('rescind_http_request_seconds', ms / 1000, { method });
  telemetry.log('info', 'request', { method, route, status, ms: Math.round(ms * 1000) / 1000 });
}
