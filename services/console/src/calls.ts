import { RescindError } from '@rescind/revocation';
import { readText } from '@rescind/revocation/http';
import type { Request } from 'express';
import { z } from 'zod';
import type { OperatorSession } from './operators.ts';
import { callAsOperator } from './operators.ts';
import type { UpstreamResponse } from './upstream.ts';
import { jsonOf } from './upstream.ts';

type Method = 'GET' | 'POST';

/** The calls of the administration that the page makes. Everything else is refused here, whatever the scopes of the operator. */
const CALLS: readonly (readonly [Method, RegExp])[] = [
  ['GET', /^\/admin\/(me|instances|revocations|users|sessions|clients|keys|audit|events|feed-clients)$/],
  ['GET', /^\/admin\/audit\/verification$/],
  ['GET', /^\/admin\/(revocations|users|sessions)\/[^/]+$/],
  ['POST', /^\/admin\/(explain|revocations|emergency|revocations\/preview|keys\/rotate)$/],
  ['POST', /^\/admin\/instances\/[^/]+\/forget$/],
  ['POST', /^\/admin\/sessions\/[^/]+\/end$/],
  ['POST', /^\/admin\/users\/[^/]+\/(log-out|suspend|reinstate)$/],
  ['POST', /^\/admin\/keys\/[^/]+\/revoke$/],
  ['POST', /^\/admin\/clients\/[^/]+\/(disable|enable)$/],
];

/** Longest body of a call: 200 cut-offs, or a pasted token. In bytes. */
const MAX_BODY_BYTES = 65_536;
/** The header by which the page states how many sessions its preview counted. */
const PREVIEWED_HEADER = 'x-previewed-sessions';

/** How long user-management waits for the receipt of a command before it responds: 3 s (RFC 7240 section 4.3). */
const PREFER_WAIT = 'wait=3';

/**
 * Sends an allowed call to the administration as the operator. A command that was previewed is refused if it would end more sessions by now.
 * @param path below `/api`, with its query: `/admin/users?prefix=a`
 * @throws RescindError `not_found`, `preview_outgrown`, `issuer_unreachable`, `operator_session_missing`
 */
export async function forwardCall(
  request: Request,
  session: OperatorSession,
  adminUrl: string,
  path: string,
): Promise<UpstreamResponse> {
  const [pathname = ''] = path.split('?');
  const { method } = request;
  const isAllowed = CALLS.some(([allowed, pattern]) => allowed === method && pattern.test(pathname));
  // `new URL` resolves a segment `..`: the request would go to a path that was not compared.
  if (!isAllowed || new URL(path, adminUrl).pathname !== pathname) throw new RescindError('not_found');
  if (method === 'GET') return callAsOperator(session, adminUrl + path, { method });
  const body = await readText(request.rawHeaders, request, { type: 'application/json', maxBytes: MAX_BODY_BYTES });
  const refusal = await requireAsPreviewed(request, session, adminUrl, { pathname, body });
  if (refusal !== undefined) return refusal;
  const requestId = request.res?.getHeader('x-request-id');
  return callAsOperator(session, adminUrl + path, {
    method,
    body,
    headers: {
      ...(request.get('prefer') === undefined ? {} : { Prefer: PREFER_WAIT }),
      ...(typeof requestId === 'string' ? { 'X-Request-Id': requestId } : {}),
    },
  });
}

/** A call as it is compared with its preview. */
interface Command {
  readonly pathname: string;
  readonly body: string;
}

/**
 * Returns the refusal of the preview. Without a preview the console does not know how many sessions a command would end, and does not
 * send it.
 * @throws RescindError `preview_outgrown` when the command would end more sessions than the page states in `PREVIEWED_HEADER`
 */
async function requireAsPreviewed(
  request: Request,
  session: OperatorSession,
  adminUrl: string,
  { pathname, body }: Command,
): Promise<UpstreamResponse | undefined> {
  const counted = request.get(PREVIEWED_HEADER);
  const cutoffs = cutoffsOf(pathname, jsonOf(body));
  if (counted === undefined || cutoffs === undefined) return undefined;
  const response = await callAsOperator(session, `${adminUrl}/admin/revocations/preview`, {
    method: 'POST',
    body: JSON.stringify({ cutoffs }),
  });
  const preview = z.object({ sessions: z.int() }).safeParse(jsonOf(response.text));
  if (response.status !== 200) return response;
  if (!preview.success) throw new RescindError('issuer_unreachable');
  if (preview.data.sessions <= Number(counted)) return undefined;
  throw new RescindError('preview_outgrown', { publicDetail: `${preview.data.sessions} sessions by now` });
}

/** The cut-offs of a command; undefined: it ends no session, or is not previewed. */
function cutoffsOf(pathname: string, body: unknown): readonly unknown[] | undefined {
  const [, area, id, verb] = /^\/admin\/([^/]+)(?:\/([^/]+))?(?:\/([^/]+))?$/.exec(pathname) ?? [];
  const value = id === undefined ? undefined : decodeURIComponent(id);
  if (area === 'revocations' && id === undefined) {
    const parsed = z.object({ cutoffs: z.array(z.unknown()) }).safeParse(body);
    return parsed.success ? parsed.data.cutoffs : undefined;
  }
  if (area === 'users' && (verb === 'log-out' || verb === 'suspend')) return [{ claim: 'sub', value }];
  if (area === 'clients' && verb === 'disable') return [{ claim: 'client_id', value }];
  return area === 'emergency' ? [{ claim: 'iss' }] : undefined;
}
