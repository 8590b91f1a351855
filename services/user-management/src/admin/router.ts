import type { ErrorCode } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import type { Operation, OperationInput, OperationOf } from '@rescind/service/http';
import { operation } from '@rescind/service/http';
import type { Request, Response } from 'express';
import type { Audit } from '../audit/audit.ts';
import type { AuditDetails, AuditEntry, AuditRecord } from '../audit/table.ts';
import { boundedTargets } from '../audit/table.ts';
import { WRITES } from '../http/responses.ts';
import type { AdministratorLocals } from './access.ts';
import type { Administrator } from './administrators.ts';

/** The members of each command's body by which the administrator explains it. */
export interface CommandReason {
  readonly why: string;
  readonly reason?: string | undefined;
}

/** The input of a command. */
export interface CommandInput<P, Q, B> extends OperationInput<P, Q, B> {
  readonly administrator: Administrator;
  /**
   * Authenticates the administrator again, since the transaction may have waited, and writes the command into the audit. Await it inside
   * that transaction. If the transaction is run again, the last call counts.
   * @throws as `Authenticate`
   */
  writeAudit(details?: AuditDetails): Promise<void>;
}

interface Command<P, Q, B extends CommandReason> extends Omit<OperationOf<P, Q, B>, 'security' | 'handle' | 'use'> {
  /** The objects that it changes, as the audit names them. */
  targets(input: OperationInput<P, Q, B>): readonly string[] | Promise<readonly string[]>;
  /** Executes it and returns the body; `undefined`: 204. A `DryRun` is sent with 200 and is not in the audit. */
  execute(input: CommandInput<P, Q, B>): object | undefined | Promise<object | undefined>;
}

interface Query<P, Q, B> extends Omit<OperationOf<P, Q, B>, 'security' | 'handle' | 'use'> {
  read(input: OperationInput<P, Q, B>): object | Promise<object>;
}

/** The result of a command that only reported what it would change. */
export class DryRun {
  readonly body: object;

  constructor(body: object) {
    this.body = body;
  }
}

/** Makes the operations of administrators: queries, and commands, which are written into the audit. */
export interface AdminRouter {
  query<P = undefined, Q = undefined, B = undefined>(definition: Query<P, Q, B>): Operation;
  command<P = undefined, Q = undefined, B extends CommandReason = CommandReason>(
    definition: Command<P, Q, B>,
  ): Operation;
}

/** Error codes of every operation of administrators. */
const OF_OPERATORS: readonly ErrorCode[] = ['operator_invalid'];

export function createAdminRouter(audit: Audit): AdminRouter {
  return {
    query: ({ read, ...definition }) =>
      operation({
        ...definition,
        security: 'operator',
        errors: [...definition.errors, ...OF_OPERATORS],
        handle: async (_request, response, input) => answer(response, statusOf(definition), await read(input)),
      }),

    command: ({ execute, targets, ...definition }) =>
      operation({
        ...definition,
        security: 'operator',
        errors: [...definition.errors, ...OF_OPERATORS, ...WRITES],
        async handle(_request: Request, response: Response<unknown, AdministratorLocals>, input) {
          const { administrator } = response.locals;
          const { why, reason = null } = input.body;
          const requestId = String(response.getHeader('X-Request-Id') ?? '');
          const about = {
            operation: definition.id,
            targets: boundedTargets(await targets(input)),
            reason,
            why,
            requestId,
          };
          const record: Omit<AuditRecord, 'result' | 'details'> = { who: administrator.who, ...about };

          let entry: AuditEntry | undefined;
          const writeAudit = async (details: AuditDetails = {}) => {
            await administrator.confirm();
            entry = audit.record({ ...record, result: 'done', details });
          };
          try {
            await administrator.confirm();
            const result = await execute({ ...input, administrator, writeAudit });
            if (result instanceof DryRun) return answer(response, 200, result.body);
            answer(response, statusOf(definition), result);
          } catch (error) {
            const result = error instanceof RescindError ? error.code : 'internal';
            await audit.refused({ ...record, result, details: {} });
            throw error;
          }
          if (entry === undefined) throw new Error(`the command ${definition.id} was not written into the audit`);
          audit.committed(entry);
        },
      }),
  };
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
