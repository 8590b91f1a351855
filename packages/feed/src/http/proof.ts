import type { IncomingMessage, ServerResponse } from 'node:http';
import type { DurationMs } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import type { LogSource } from '../ports.ts';
import { MAX_EVENT_CHARS } from './stream.ts';

/** RFC 8417 section 7.2. */
const MEDIA_TYPE = /^application\/secevent\+jwt\s*(;|$)/i;
const BODY_TIMEOUT_MS: DurationMs = 10_000;

/** `POST …/revocations/proof`: a signed event or heartbeat from beyond the outbox. Answers 204 when it was taken. */
export async function receiveEvidence(
  source: LogSource,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if (!MEDIA_TYPE.test(request.headers['content-type'] ?? '')) throw new RescindError('media_type_wrong');
  const jws = await readBody(request).catch((error: unknown) => {
    // What is still coming is not read to its end.
    response.setHeader('Connection', 'close');
    throw error;
  });
  await source.receiveEvidence(jws);
  response.writeHead(204, { 'Cache-Control': 'no-store' });
  response.end();
}

function readBody(request: IncomingMessage): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const chunks: Buffer[] = [];
  let size = 0;
  const refuse = (error: RescindError) => {
    request.pause();
    reject(error);
  };
  const timer = setTimeout(() => refuse(new RescindError('request_invalid')), BODY_TIMEOUT_MS);
  request.on('data', (chunk: Buffer) => {
    size += chunk.length;
    if (size > MAX_EVENT_CHARS) refuse(new RescindError('body_too_large'));
    else chunks.push(chunk);
  });
  request.on('end', () => resolve(Buffer.concat(chunks).toString('utf8')));
  request.on('error', () => reject(new RescindError('request_invalid')));
  request.on('close', () => reject(new RescindError('request_invalid')));
  return promise.finally(() => clearTimeout(timer));
}
