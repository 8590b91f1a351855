import type { DurationMs } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import type { Fetch, FetchBody } from '@rescind/token/fetch';
import type { InstanceReport, ReportAnswer } from './report.ts';

const TIMEOUT_MS: DurationMs = 5_000;
const MAX_ANSWER_BYTES = 4_096;
/** An answer that asks for a longer silence would make the instance look lost. */
const MAX_NEXT_MS: DurationMs = 10_000;

interface SubmitSettings {
  /** The address of the log. */
  readonly url: string;
  readonly authorization: () => string;
  readonly fetch: Fetch;
}

/** `POST {issuer}/revocations/reports`. @throws RescindError as `Transport.submitReport` */
export async function submitReport(
  { url, authorization, fetch }: SubmitSettings,
  report: InstanceReport,
  { timeoutMs = TIMEOUT_MS }: { readonly timeoutMs?: DurationMs } = {},
): Promise<ReportAnswer> {
  const response = await fetch(`${url}/reports`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: authorization() },
    body: JSON.stringify(report),
    // A redirect would send the credential to another address.
    redirect: 'manual',
    // The last report is awaited by a close: the process must not end, with exit code 13, in the middle of it.
    background: !report.leaving,
    signal: AbortSignal.timeout(timeoutMs),
  });
  const text = response.body === null ? '' : await readText(response.body);
  if (response.status === 200) return toAnswer(text);
  throw new RescindError(codeOf(response.status), { detail: `the issuer answered ${response.status} to a report` });
}

const CODES = {
  400: 'report_invalid',
  401: 'client_invalid',
  404: 'not_found',
  405: 'not_found',
  429: 'rate_limited',
} as const;

const codeOf = (status: number) => CODES[status as keyof typeof CODES] ?? 'busy';

/** All of it, so that the connection can be used again. */
async function readText(body: FetchBody): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    if (bytes > MAX_ANSWER_BYTES) throw new RescindError('busy', { detail: 'the answer to a report is too long' });
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function toAnswer(text: string): ReportAnswer {
  try {
    const { nextMs } = JSON.parse(text) as Partial<ReportAnswer>;
    if (typeof nextMs === 'number' && nextMs >= 0) return { nextMs: Math.min(nextMs, MAX_NEXT_MS) };
  } catch {
    // Thrown below, as for JSON without a valid `nextMs`.
  }
  throw new RescindError('busy', { detail: 'the answer to a report is malformed' });
}
