import { RescindError } from '@rescind/revocation';
import { readText } from '@rescind/revocation/http';
import type { Request } from 'express';
import { z } from 'zod';
import type { OperatorSession } from './operators.ts';
import { askAs } from './stream.ts';
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
const PREVIEWED = 'x-previewed-sessions';

/** The longest wait of the administration. */
const WAIT = 'wait=3';

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
  // A segment `..` would lead elsewhere than to what was compared.
  if (!isAllowed || new URL(path, adminUrl).pathname !== pathname) throw new RescindError('not_found');
  if (method === 'GET') return askAs(session, adminUrl + path, { method });
  const body = await readText(request.rawHeaders, request, { type: 'application/json', maxBytes: MAX_BODY_BYTES });
  const refusal = await requireAsPreviewed(request, session, adminUrl, { pathname, body });
  if (refusal !== undefined) return refusal;
  const requestId = request.res?.getHeader('x-request-id');
  return askAs(session, adminUrl + path, {
    method,
    body,
    headers: {
      ...(request.get('prefer') === undefined ? {} : { Prefer: WAIT }),
      ...(typeof requestId === 'string' ? { 'X-Request-Id': requestId } : {}),
    },
  });
}

interface Previewed {
  readonly pathname: string;
  readonly body: string;
}

/** @returns the refusal of the preview: a command is not sent while nobody knows how many sessions it would end */
async function requireAsPreviewed(
  request: Request,
  session: OperatorSession,
  adminUrl: string,
  { pathname, body }: Previewed,
): Promise<UpstreamResponse | undefined> {
  const counted = request.get(PREVIEWED);
  const cutoffs = cutoffsOf(pathname, jsonOf(body));
  if (counted === undefined || cutoffs === undefined) return undefined;
  const response = await askAs(session, `${adminUrl}/admin/revocations/preview`, {
    method: 'POST',
    body: JSON.stringify({ cutoffs }),
  });
  const preview = z.object({ sessions: z.int() }).safeParse(jsonOf(response.text));
  if (response.status !== 200) return response;
  if (!preview.success) throw new RescindError('issuer_unreachable');
  if (preview.data.sessions <= Number(counted)) return undefined;
  throw new RescindError('preview_outgrown', { publicDetail: `${preview.data.sessions} sessions by now` });
}

/** What a command cuts off; undefined: nothing that ends sessions, or a command that is not previewed. */
function cutoffsOf(pathname: string, body: unknown): readonly unknown[] | undefined {
  const [, area, id, verb] = /^\/admin\/([^/]+)(?:\/([^/]+))?(?:\/([^/]+))?$/.exec(pathname) ?? [];
  const value = id === undefined ? undefined : decodeURIComponent(id);
  if (area === 'revocations' && id === undefined) {
    const given = z.object({ cutoffs: z.array(z.unknown()) }).safeParse(body);
    return given.success ? given.data.cutoffs : undefined;
  }
  if (area === 'users' && (verb === 'log-out' || verb === 'suspend')) return [{ claim: 'sub', value }];
  if (area === 'clients' && verb === 'disable') return [{ claim: 'client_id', value }];
  return area === 'emergency' ? [{ claim: 'iss' }] : undefined;
}
