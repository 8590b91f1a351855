import { setTimeout as sleep } from 'node:timers/promises';
import type { Json } from './admin.ts';
import type { Context } from './context.ts';
import { CliError } from './errors.ts';
import type { Cell } from './output.ts';

/** How long `--wait` waits without a number, and the longest wait of one request, in seconds. */
const WAIT_SECONDS = 10;
const MAX_SECONDS_OF_A_REQUEST = 10;
/** Between two requests, where the server responds at once: more calls wait there than it lets wait. In ms. */
const PAUSE_MS = 500;

interface Receipts {
  readonly isComplete: boolean;
  readonly values: Readonly<Record<string, Cell>>;
  readonly document: Json;
}

/**
 * Waits until every instance that was live at the commit denies a revocation, or until the time is over.
 * @throws CliError `receipts_unsupported`: the server does not report instances
 */
export async function awaitReceipts(
  { admin, now, interrupted, settings }: Context,
  txn: string,
  seconds = WAIT_SECONDS,
): Promise<Receipts> {
  const end = now() + seconds * 1_000;
  // Half of the time that a request may take: the response must arrive before its end.
  const maxSeconds = Math.min(MAX_SECONDS_OF_A_REQUEST, Math.floor(settings().RESCIND_TIMEOUT / 2_000));
  let state: Json | undefined;
  do {
    if (state !== undefined) await sleep(PAUSE_MS, undefined, { signal: interrupted });
    const left = Math.min(maxSeconds, Math.max(0, Math.ceil((end - now()) / 1_000)));
    state = await admin().get(`/admin/revocations/${encodeURIComponent(txn)}`, {}, { Prefer: `wait=${left}` });
  } while (receiptOf(state).complete !== true && now() < end);
  return describeReceipt(receiptOf(state));
}

/** The receipt of a revocation. */
function receiptOf(state: Json): Json {
  const receipt = state.receipt;
  if (typeof receipt === 'object' && receipt !== null) return receipt as Json;
  throw new CliError('failed', 'receipts_unsupported', 'The server does not report which instances deny a revocation');
}

export function describeReceipt(receipt: Json): Receipts {
  const { reached, of, complete, lastMs } = receipt;
  const last = complete === true && typeof lastMs === 'number' ? `, the last after ${lastMs} ms` : '';
  const missing = Array.isArray(receipt.missing) ? (receipt.missing as Json[]) : [];
  const names = missing.map(({ service, instance, state }) => `${service}/${instance} (${state})`);
  return {
    isComplete: complete === true,
    values: { 'denied on': `${reached} of ${of} instances${last}`, missing: names.join(', ') || null },
    document: receipt,
  };
}
