import type { Issuer } from '@rescind/issuer';
import type { UserEvent, UserEventQuery } from '@rescind/issuer/user-events';
import { USER_EVENT_TYPES } from '@rescind/issuer/user-events';
import type { Clock, Telemetry } from '@rescind/revocation';
import { RequestRefused } from '@rescind/revocation/errors';
import type { Operation } from '@rescind/service/http';
import { operation, pageOf, pageQuery, wholeNumber } from '@rescind/service/http';
import type { Request, Response } from 'express';
import { z } from 'zod';
import { requires } from '../scopes.ts';
import type { AdministratorLocals } from './access.ts';
import { requireScopes } from './administrators.ts';
import type { StreamFormat } from './event-stream.ts';
import { createEventStreams, STREAM_TYPES } from './event-stream.ts';
import { id, millis } from './schemas.ts';

const userEvent = z
  .strictObject({
    seq: z.int().describe('Ascends in the order of the commits'),
    at: millis,
    lastAt: millis.describe('Of several refusals the last'),
    type: z.enum(USER_EVENT_TYPES),
    sub: z.string().nullable().describe('null: no user of that name, or everybody'),
    username: z
      .string()
      .nullable()
      .describe('The name of the user now; null: the account is deleted, or there is none'),
    sid: z.string().nullable(),
    clientId: z.string().nullable(),
    code: z.string().nullable().describe('Of a refusal: the error code of the response'),
    reason: z.string().nullable().describe('A stable word, such as `logout` or `device_lost`'),
    actor: z
      .string()
      .nullable()
      .describe(
        '`user`, `client`, `operator:<name>`, `sub:<administrator>`, `issuer`, `expiry`, `configuration`, `restore`; null: unknown',
      ),
    txn: z.string().nullable().describe('The revocation that it is of'),
    deviceName: z.string().nullable(),
    origin: z.strictObject({ address: z.string().optional(), userAgent: z.string().optional() }),
    count: z.int().describe('How many refusals, or ended sessions, it stands for'),
  })
  .meta({ id: 'UserEvent' });

const GREATEST_MS = 999_999_999_999_999;
const time = wholeNumber(0, GREATEST_MS);
const listQuery = pageQuery.extend({
  after: id.optional().describe('`next` of the page before; of a stream the `seq` after which it begins'),
  sub: id.optional().describe('A user, with the events of everybody'),
  sid: id.optional().describe('A session, with the events of everybody'),
  type: z.enum(USER_EVENT_TYPES).optional(),
  since: time.optional().describe('Milliseconds since 1970'),
  until: time.optional().describe('Milliseconds since 1970, exclusive; not of a stream'),
});
type ListQuery = z.output<typeof listQuery>;

const page = pageOf(userEvent).extend({
  head: z.int().describe('The `seq` of the last event: `after` of a stream that continues here'),
});

/** The dependencies of the events. */
interface EventContext {
  readonly issuer: Pick<Issuer, 'userEvents'>;
  /** The name of a user; null: the account is deleted. */
  nameOf(sub: string): string | null;
  /** Aborts when the service stops. */
  readonly stopping: AbortSignal;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
}

const SCOPES = requires('admin:events:read');

/** Lists what happened to users and their sessions, and streams it. */
export function eventOperations({
  issuer: { userEvents },
  nameOf,
  stopping,
  clock,
  telemetry,
}: EventContext): Operation[] {
  // Names are joined when an event is read: no row of an event has one.
  const toJson = (event: UserEvent) => withName(event, event.sub === null ? null : nameOf(event.sub));
  const streams = createEventStreams({ userEvents, toJson, stopping, clock, telemetry });

  const list = async ({ limit, after, ...filter }: ListQuery) => {
    const found = await userEvents.list({ ...filter, limit, after } satisfies UserEventQuery);
    return { ...found, items: found.items.map(toJson) };
  };

  return [
    operation({
      id: 'listEvents',
      method: 'get',
      path: '/admin/events',
      summary: 'What happened to users and their sessions, the latest first; or a stream of it that continues',
      description:
        'With `Accept: text/event-stream` or `application/x-ndjson` the response is a stream, in the order of the commits: from `Last-Event-ID` or `after` on, else from `since`, else from now. A heartbeat follows each 4 s at most. The stream ends when the credentials or the scope are withdrawn.',
      tag: 'Events',
      security: 'operator',
      scopes: SCOPES,
      query: listQuery,
      responses: {
        200: {
          description: 'A page of them, or a stream that does not end',
          schema: page,
          alternatives: Object.fromEntries(STREAM_TYPES.map((type) => [type, z.string()])),
        },
      },
      errors: ['operator_invalid'],
      async handle(request, response: Response<unknown, AdministratorLocals>, { query }) {
        const format = streamFormat(request);
        if (format === undefined) {
          response.set('Cache-Control', 'no-store').json(await list(query));
          return;
        }
        const { administrator } = response.locals;
        const { sub, sid, type, since } = query;
        if (query.until !== undefined) throw refused('until', 'must be absent: a stream does not end');
        const position = streamPosition(request, query);
        const fromTime = async () =>
          since === undefined ? (await list({ limit: 1 })).head : userEvents.positionAt(since);
        const start = position ?? (await fromTime());
        await streams.run(response, {
          ...{ format, start, filter: { sub, sid, type, since } },
          requireAllowed: async () => requireScopes(await administrator.confirm(), SCOPES),
        });
      },
    }),
  ];
}

/** The format of the stream that a request prefers; undefined: a page. */
function streamFormat(request: Request): StreamFormat | undefined {
  const preferred = request.accepts(['application/json', ...STREAM_TYPES]);
  return STREAM_TYPES.find((type) => type === preferred);
}

/** The `seq` after which a stream begins; undefined: the request names none. @throws RequestRefused */
function streamPosition(request: Request, { after }: ListQuery): number | undefined {
  // An EventSource that connects again sends the header, with the query of the first connection.
  const given = request.get('last-event-id') ?? after;
  if (given === undefined) return undefined;
  if (!/^\d{1,15}$/.test(given)) throw refused('after', 'must be the `seq` of an event');
  return Number(given);
}

const refused = (path: string, message: string) => new RequestRefused([{ path, message }]);

/** The name beside the pseudonym, and the origin as sessions have it. */
function withName({ sub, address, userAgent, ...event }: UserEvent, username: string | null) {
  const origin = { ...(address === null ? {} : { address }), ...(userAgent === null ? {} : { userAgent }) };
  return { ...event, sub, username, origin };
}
