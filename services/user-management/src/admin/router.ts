import type { Issuer } from '@rescind/issuer';
import type { DurationMs, ErrorCode } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import type { Operation, OperationInput, OperationOf } from '@rescind/service/http';
import { operation } from '@rescind/service/http';
import type { Request, Response } from 'express';
import type { z } from 'zod';
import type { Audit } from '../audit/audit.ts';
import type { AuditDetails, AuditEntry, AuditRecord } from '../audit/table.ts';
import { boundedTargets } from '../audit/table.ts';
import { WRITES } from '../http/responses.ts';
import type { ScopeArea } from '../scopes.ts';
import { scopesOfArea } from '../scopes.ts';
import type { AdministratorLocals } from './access.ts';
import type { Administrator } from './administrators.ts';
import { requireScopes, viaOf } from './administrators.ts';
import { preferredWaitMs, statePreference, whileConnected, withReceipt } from './prefer.ts';

/** The members of each command's body by which the administrator explains it. */
export interface CommandReason {
  readonly why: string;
  readonly reason?: string | undefined;
}

/** The input of a command. */
export interface CommandInput<P, Q, B> extends OperationInput<P, Q, B> {
  readonly administrator: Administrator;
  /**
   * Authenticates the administrator again, with the scopes of now, since the transaction may have waited, and writes the command into the audit. Await it inside
   * that transaction. If the transaction is run again, the last call counts.
   * @param targets the objects that it changes, if they are known only now. Default: those of the command
   * @throws as `Authenticate`
   */
  writeAudit(details?: AuditDetails, targets?: readonly string[]): Promise<void>;
}

/** One operation; its area has the rest. */
interface Described<Q, B> extends Pick<OperationOf, 'id' | 'summary' | 'description' | 'responses'> {
  /** Default: GET of a query, POST of a command. */
  readonly method?: Operation['method'];
  /** Below the path of the area. Default: that path. */
  readonly path?: string;
  readonly query?: z.ZodType<Q>;
  /** Of the JSON. */
  readonly body?: z.ZodType<B>;
  /** Its own error codes; those of administrators, and of writes, are added. Default none. */
  readonly errors?: readonly ErrorCode[];
}

interface Command<P, Q, B extends CommandReason> extends Described<Q, B> {
  /** The objects that it changes, as the audit names them. Default: those of the area. */
  targets?(input: OperationInput<P, Q, B>): readonly string[] | Promise<readonly string[]>;
  /** Executes it and returns the body; `undefined`: 204. A `DryRun` is sent with 200 and is not in the audit. */
  execute(input: CommandInput<P, Q, B>): object | undefined | Promise<object | undefined>;
}

interface Query<P, Q, B> extends Described<Q, B> {
  /** @param wait for how long the caller prefers to wait; undefined: it states no preference, or the query never waits */
  read(input: OperationInput<P, Q, B>, wait?: PreferredWait): object | Promise<object>;
  /** Whether `read` waits for as long as the caller prefers (RFC 7240). Default false. */
  readonly waits?: boolean;
}

/** What `Prefer: wait` of a request states. */
interface PreferredWait {
  readonly ms: DurationMs;
  /** Aborts when the caller has gone. */
  readonly signal: AbortSignal;
}

/** What the operations of an area have in common. */
interface AreaOptions<P> {
  readonly tag: string;
  /** The area whose scopes they require: `:read` for a query, `:write` for a command. Default: no scope. */
  readonly scopes?: ScopeArea;
  readonly path: string;
  readonly params?: z.ZodType<P>;
  /** The objects that its commands change, as the audit names them. */
  targets?(input: { readonly params: P }): readonly string[] | Promise<readonly string[]>;
}

/** The result of a command that only reported what it would change. */
export class DryRun {
  readonly body: object;

  constructor(body: object) {
    this.body = body;
  }
}

/** Makes the operations of an area: queries, and commands, which are written into the audit. */
export interface AdminArea<P = undefined> {
  query<Q = undefined, B = undefined>(definition: Query<P, Q, B>): Operation;
  /** @throws TypeError without `targets`, here and in the area */
  command<Q = undefined, B extends CommandReason = CommandReason>(definition: Command<P, Q, B>): Operation;
  /** The operations of one object of the area. */
  item<I>(of: Pick<AreaOptions<I>, 'path' | 'targets'> & { readonly params: z.ZodType<I> }): AdminArea<I>;
}

export interface AdminRouter {
  area<P = undefined>(options: AreaOptions<P>): AdminArea<P>;
}

/** Error codes of every operation of administrators. */
const OF_OPERATORS: readonly ErrorCode[] = ['operator_invalid'];

/** @param issuer a caller that prefers to wait waits for its instances, and its events name the administrator */
export function createAdminRouter(
  audit: Audit,
  {
    instances,
    userEvents,
  }: { readonly instances: Pick<Issuer['instances'], 'wait'>; readonly userEvents: Pick<Issuer['userEvents'], 'as'> },
): AdminRouter {
  function area<P>({ tag, scopes, path, params, targets: targetsOfArea }: AreaOptions<P>): AdminArea<P> {
    const halves = scopes === undefined ? undefined : scopesOfArea(scopes);
    /** The members that queries and commands have in common. */
    const shared = <Q, B>({ id, summary, description, path: below = '', query, body, responses }: Described<Q, B>) => ({
      ...{ id, summary, tag, responses, path: path + below, security: 'operator' as const },
      ...(description === undefined ? {} : { description }),
      ...(params === undefined ? {} : { params }),
      ...(query === undefined ? {} : { query }),
      ...(body === undefined ? {} : { body: { type: 'json' as const, schema: body } }),
    });

    return {
      query: <Q, B>({ read, waits = false, method = 'get', errors = [], ...definition }: Query<P, Q, B>) =>
        operation<P, Q, B>({
          ...shared(definition),
          method,
          ...(halves === undefined ? {} : { scopes: halves.READ }),
          errors: [...errors, ...OF_OPERATORS],
          async handle(request, response, input) {
            const wait = waits ? preferredWait(request, response) : undefined;
            answer(response, statusOf(definition), await read(input, wait));
          },
        }),

      command<Q, B extends CommandReason>(given: Command<P, Q, B>) {
        const { execute, method = 'post', errors = [], targets = targetsOfArea, ...definition } = given;
        if (targets === undefined) throw new TypeError(`targets must be given for ${definition.id}: its area has none`);
        return operation<P, Q, B>({
          ...shared(definition),
          method,
          ...(halves === undefined ? {} : { scopes: halves.WRITE }),
          errors: [...errors, ...OF_OPERATORS, ...WRITES],
          async handle(request: Request, response: Response<unknown, AdministratorLocals>, input) {
            const { administrator } = response.locals;
            const via = viaOf(administrator);
            const { why, reason = null } = input.body;
            const record: Omit<AuditRecord, 'result' | 'details'> = {
              who: administrator.who,
              operation: definition.id,
              targets: boundedTargets(await targets(input)),
              reason,
              why,
              requestId: String(response.getHeader('X-Request-Id') ?? ''),
            };
            let entry: AuditEntry | undefined;
            let result: object | undefined;
            /** Also an operator whose scopes a reload of the file has narrowed is refused. */
            const confirm = async () => requireScopes(await administrator.confirm(), halves?.WRITE ?? []);
            const writeAudit = async (details: AuditDetails = {}, targets = record.targets) => {
              await confirm();
              entry = audit.record({ ...record, targets, result: 'done', details: { ...details, ...via } });
            };
            try {
              await confirm();
              const run = async () => execute({ ...input, administrator, writeAudit });
              result = await userEvents.as(administrator.who, run);
            } catch (error) {
              const code = error instanceof RescindError ? error.code : 'internal';
              await audit.refused({ ...record, result: code, details: via });
              throw error;
            }
            if (result instanceof DryRun) return answer(response, 200, result.body);
            if (entry === undefined) throw new Error(`the command ${definition.id} was not written into the audit`);
            audit.committed(entry);
            // The command is done and in the audit: what follows only waits.
            const wait = preferredWait(request, response);
            const waited =
              wait && (await withReceipt(result, (placed) => instances.wait(placed, wait.ms, wait.signal)));
            answer(response, statusOf(definition), waited ?? result);
          },
        });
      },

      item: (of) => area({ tag, ...(scopes === undefined ? {} : { scopes }), ...of, path: path + of.path }),
    };
  }
  return { area };
}

function preferredWait(request: Request, response: Response): PreferredWait | undefined {
  const ms = preferredWaitMs(request);
  if (ms === undefined) return undefined;
  statePreference(response, ms);
  return { ms, signal: whileConnected(response) };
}

/** The status of success: the greatest one that the operation declares. */
function statusOf({ responses }: Pick<Operation, 'responses'>): number {
  return Math.max(...Object.keys(responses).map(Number));
}

function answer(response: Response, status: number, body: object | undefined): void {
  response.set('Cache-Control', 'no-store');
  if (body === undefined) response.status(204).end();
  else response.status(status).json(body);
}
