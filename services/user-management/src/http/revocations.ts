import type { RevocationsHandler, RevocationsHandlerOptions } from '@rescind/feed';
import { readBasic } from '@rescind/revocation/http';
import type { Operation } from '@rescind/service/http';
import { operation } from '@rescind/service/http';
import { z } from 'zod';
import type { AddressedRequest, FailedCredentials } from './failed-credentials.ts';

type AuthenticateReader = RevocationsHandlerOptions['authenticate'];

/** The same, with wrong credentials counted. @throws RescindError `rate_limited` when there have been too many */
export function countingFailures(
  authenticate: AuthenticateReader,
  failedCredentials: FailedCredentials,
): AuthenticateReader {
  return (request: AddressedRequest) => {
    const client = authenticate(request);
    // Without credentials nothing has been guessed.
    const { authorization } = request.headers;
    if (client === undefined && authorization !== undefined) {
      failedCredentials.count(request, readBasic(authorization)?.id ?? '');
    }
    return client;
  };
}

/** The log, for services: it authenticates them and answers their errors itself. */
export function revocationsOperations(revocations: RevocationsHandler): Operation[] {
  return [
    operation({
      id: 'revocations',
      method: 'get',
      path: '/revocations',
      summary: 'The log of revocations, as server-sent events',
      description:
        'Signed events (`event: revocation`, `id: <epoch>:<seq>`) and a heartbeat a second, from `Last-Event-ID` on. With `?quiet` it is a standby stream (`Rescind-Stream: quiet`): a heartbeat at once and each 10 s, and events only while Kafka does not acknowledge them in time.',
      tag: 'Log',
      security: 'feed',
      responses: { 200: { description: 'Does not end', type: 'text/event-stream', schema: z.string() } },
      errors: ['rate_limited', 'stopping'],
      handle: (request, response) => revocations.handle(request, response),
    }),
    operation({
      id: 'proof',
      method: 'post',
      path: '/revocations/proof',
      summary: 'Prove that the database came from a backup',
      description: 'The body is a signed event or heartbeat from beyond the log, as `application/secevent+jwt`.',
      tag: 'Log',
      security: 'feed',
      responses: { 204: { description: 'It was taken' } },
      errors: ['event_invalid', 'request_invalid', 'media_type_wrong', 'body_too_large', 'stopping'],
      handle: (request, response) => revocations.handle(request, response),
    }),
  ];
}
