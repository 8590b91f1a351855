import { readBody } from '@rescind/revocation/http';
import { parseCompactJws } from '@rescind/token';
import type { Fetch, FetchResponse } from '@rescind/token/fetch';
import { describeFetchFailure } from '@rescind/token/fetch';
import { MetadataUnavailable } from '../metadata.ts';
import type { IntrospectionSettings } from './options.ts';

/** The result of an introspection: the label `result` of `rescind_introspections_total`. */
export type IntrospectionResult =
  | 'active'
  | 'inactive'
  | 'bound'
  | 'unreachable'
  | 'timeout'
  | 'refused'
  | 'status_wrong'
  | 'unusable'
  | 'busy'
  | 'open'
  | 'stopping';

/** Why an introspection has no result. The message quotes neither the token nor the credential. */
export class IntrospectionFailure extends Error {
  override readonly name = 'IntrospectionFailure';
  readonly result: IntrospectionResult;

  constructor(result: IntrospectionResult, detail: string) {
    super(detail);
    this.result = result;
  }
}

/** A response with all claims of a token has 2 kB. */
const MAX_BYTES = 65_536;

interface IntrospectionConnection {
  readonly fetch: Fetch;
  readonly signal: AbortSignal;
  /** The address of the endpoint. */
  findUrl(signal: AbortSignal): Promise<string>;
}

/** `bound`: active, and bound to a key of the client (RFC 8705 section 3.2, RFC 9449 section 6.2). The guard verifies no such proof. */
export type IntrospectionAnswer = 'active' | 'inactive' | 'bound';

/**
 * Asks once whether a token is active (RFC 7662 section 2).
 *
 * @throws IntrospectionFailure for every response that is not clear
 */
export async function introspectOnce(
  { authorization }: IntrospectionSettings,
  token: string,
  { fetch, signal, findUrl }: IntrospectionConnection,
): Promise<IntrospectionAnswer> {
  try {
    const response = await fetch(await findUrl(signal), {
      method: 'POST',
      redirect: 'error',
      signal,
      headers: {
        accept: 'application/json',
        authorization: authorization(),
        'content-type': 'application/x-www-form-urlencoded',
      },
      body: new URLSearchParams({ token, token_type_hint: 'access_token' }).toString(),
    });
    return readAnswer(await readObject(response), token);
  } catch (error) {
    if (error instanceof IntrospectionFailure) throw error;
    if (error instanceof MetadataUnavailable) {
      throw new IntrospectionFailure(error.result, `metadata: ${error.message}`);
    }
    if (signal.aborted) throw new IntrospectionFailure('timeout', 'no answer in time');
    throw new IntrospectionFailure('unreachable', describeFetchFailure(error));
  }
}

async function readObject(response: FetchResponse): Promise<Record<string, unknown>> {
  if (response.status !== 200) {
    await response.body?.cancel();
    const { status } = response;
    if (status === 401 || status === 403) {
      throw new IntrospectionFailure('refused', `the credential of this service was refused (${status})`);
    }
    throw new IntrospectionFailure('status_wrong', `answered ${status}`);
  }
  const body = await readBody(response.body, { maxBytes: MAX_BYTES });
  if (body === undefined) throw new IntrospectionFailure('unusable', `more than ${MAX_BYTES} bytes`);
  return parse(body.toString('utf8'));
}

function parse(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null) return { ...value };
  } catch {
    // The error below does not quote the response.
  }
  throw new IntrospectionFailure('unusable', 'not a JSON object');
}

function readAnswer(answer: Record<string, unknown>, token: string): IntrospectionAnswer {
  const { active } = answer;
  if (typeof active !== 'boolean') throw new IntrospectionFailure('unusable', 'active is not true or false');
  // A proxy that mixes up responses must not let a request pass.
  if (active && !isAbout(answer, token)) throw new IntrospectionFailure('unusable', 'it is about another token');
  if (!active) return 'inactive';
  return isBound(answer) ? 'bound' : 'active';
}

function isBound(answer: Record<string, unknown>): boolean {
  const { token_type: type } = answer;
  return Object.hasOwn(answer, 'cnf') || (typeof type === 'string' && type.toLowerCase() === 'dpop');
}

function isAbout(answer: Record<string, unknown>, token: string): boolean {
  const { payload } = parseCompactJws(token, { maxBytes: token.length });
  return ['iss', 'sub', 'jti'].every((name) => answer[name] === undefined || answer[name] === payload[name]);
}
