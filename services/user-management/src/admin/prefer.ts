import type { DurationMs } from '@rescind/revocation';
import type { Request, Response } from 'express';

/** A proxy may close a connection that waits longer. */
const MAX_WAIT_MS: DurationMs = 10_000;

/**
 * How long the caller prefers to wait (RFC 7240 section 4.3), in ms, at most 10 000; undefined: it states no preference. A preference
 * that is malformed is ignored, as section 2 requires.
 */
export function preferredWaitMs(request: Pick<Request, 'headers'>): DurationMs | undefined {
  const preferences = [request.headers.prefer ?? []].flat().join(',').split(',');
  for (const preference of preferences) {
    const [, seconds] = /^\s*wait\s*=\s*"?(\d+)"?\s*(;.*)?$/i.exec(preference) ?? [];
    if (seconds !== undefined) return Math.min(Number(seconds) * 1_000, MAX_WAIT_MS);
  }
  return undefined;
}

/** States in the response that the preference was applied. */
export function statePreference(response: Pick<Response, 'set'>, waitMs: DurationMs): void {
  response.set('Preference-Applied', `wait=${waitMs / 1_000}`);
}

/** Aborts when the client has gone. */
export function whileConnected(response: Response): AbortSignal {
  const gone = new AbortController();
  // It may have gone while the command waited for its transaction: then there is no event to wait for.
  if (response.closed) gone.abort();
  else response.on('close', () => gone.abort());
  return gone.signal;
}

interface Placed {
  readonly txn: string;
  readonly epoch: string;
  readonly seq: number;
}

const isPlaced = (value: unknown): value is Placed =>
  typeof value === 'object' && value !== null && 'txn' in value && 'epoch' in value && 'seq' in value;

/** The result of a command, with the receipt in the revocation that it made, or as it is when it made none. */
export async function withReceipt(
  result: object | undefined,
  receiptOf: (placed: Placed) => Promise<object>,
): Promise<object | undefined> {
  if (isPlaced(result)) return { ...result, receipt: await receiptOf(result) };
  if (result === undefined || !('revocation' in result) || !isPlaced(result.revocation)) return result;
  return { ...result, revocation: { ...result.revocation, receipt: await receiptOf(result.revocation) } };
}
