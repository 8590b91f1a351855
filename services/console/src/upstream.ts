import { RescindError } from '@rescind/revocation';
import { z } from 'zod';

/** The response of user-management, with its body as text. */
export interface UpstreamResponse {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

interface UpstreamRequest {
  readonly method: string;
  readonly token?: string | undefined;
  /** Sent as JSON. */
  readonly body?: string | URLSearchParams | undefined;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A command may wait 10 s for its receipt. */
const TIMEOUT_MS = 15_000;

/**
 * Sends a request to user-management. It follows no redirect: the token would follow, too.
 * @throws RescindError `issuer_unreachable`
 */
export async function callUpstream(
  url: string,
  { method, token, body, headers = {} }: UpstreamRequest,
): Promise<UpstreamResponse> {
  try {
    const response = await fetch(url, {
      method,
      redirect: 'manual',
      signal: AbortSignal.timeout(TIMEOUT_MS),
      headers: {
        ...headers,
        ...(token !== undefined && { Authorization: `Bearer ${token}` }),
        ...(typeof body === 'string' && { 'Content-Type': 'application/json' }),
      },
      ...(body !== undefined && { body }),
    });
    return { status: response.status, headers: response.headers, text: await response.text() };
  } catch (cause) {
    throw new RescindError('issuer_unreachable', { cause });
  }
}

const problem = z.object({ code: z.string().optional(), error: z.string().optional() });

/** The `code` of an error response, or the `error` of an OAuth one; undefined: it has none. */
export function codeOf({ text }: UpstreamResponse): string | undefined {
  const parsed = problem.safeParse(jsonOf(text));
  return parsed.success ? (parsed.data.code ?? parsed.data.error) : undefined;
}

/** The JSON of a body; undefined: it has none. */
export function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
