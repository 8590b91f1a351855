import type { RevocationsHandler } from '@rescind/feed';
import type { Operation } from '@rescind/service';
import { operation } from '@rescind/service';
import { z } from 'zod';

/** The log, for services: it authenticates them and answers their errors itself. */
export function revocationsOperations(revocations: RevocationsHandler): Operation[] {
  return [
    operation({
      id: 'revocations',
      method: 'get',
      path: '/revocations',
      summary: 'The log of revocations, as server-sent events',
      description:
        'Signed events (`event: revocation`, `id: <epoch>:<seq>`) and a heartbeat a second, from `Last-Event-ID` on.',
      tag: 'Log',
      security: 'feed',
      answers: { 200: { description: 'Does not end', type: 'text/event-stream', schema: z.string() } },
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
      answers: { 204: { description: 'It was taken' } },
      errors: ['event_invalid', 'request_invalid', 'media_type_wrong', 'body_too_large', 'stopping'],
      handle: (request, response) => revocations.handle(request, response),
    }),
  ];
}
