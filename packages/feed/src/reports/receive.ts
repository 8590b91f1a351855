import type { IncomingMessage, ServerResponse } from 'node:http';
import type { DurationMs } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import { readBody } from '@rescind/revocation/http';
import type { LogSource } from '../ports.ts';
import { MAX_REPORT_BYTES, parseReport } from './report.ts';

const MEDIA_TYPE = /^application\/json\s*(;|$)/i;
const BODY_TIMEOUT_MS: DurationMs = 10_000;

/**
 * `POST …/revocations/reports`: an instance reports how far it has applied the log. Responds 200 with `{ nextMs }`.
 * @param clientId the client that the request authenticated
 * @throws RescindError `not_found` when the log takes no reports, `media_type_wrong`, `body_too_large`, `report_invalid`, `rate_limited`
 */
export async function receiveReport(
  source: LogSource,
  clientId: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if (source.receiveReport === undefined) throw new RescindError('not_found');
  if (!MEDIA_TYPE.test(request.headers['content-type'] ?? '')) throw new RescindError('media_type_wrong');
  const body = await readBody(request, { maxBytes: MAX_REPORT_BYTES, timeoutMs: BODY_TIMEOUT_MS }).catch(
    (error: unknown) => {
      // The rest of the body is not read.
      response.setHeader('Connection', 'close');
      throw error instanceof RescindError ? error : new RescindError('request_invalid');
    },
  );
  if (body === undefined) throw new RescindError('body_too_large');
  const answer = source.receiveReport(clientId, parseReport(body.toString('utf8')));
  response.writeHead(200, { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' });
  response.end(JSON.stringify(answer));
}
