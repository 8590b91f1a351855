import type { ErrorCode } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import type { Operation, OperationInput, OperationOf } from '@rescind/service/http';
import { operation } from '@rescind/service/http';
import type { Request, Response } from 'express';
import type { Audit } from '../audit/audit.ts';
import type { AuditDetails, AuditEntry, AuditRecord } from '../audit/entry.ts';
import { boundedTargets } from '../audit/entry.ts';
import { WRITES } from '../http/declared.ts';
import type { AdministratorLocals } from './access.ts';
import type { Administrator } from './authentication.ts';

/** What an act is told by the administrator who does it. */
export interface Stated {
  readonly why: string;
  readonly reason?: string | undefined;
}

/** What an act is done with. */
export interface ActInput<P, Q, B> extends OperationInput<P, Q, B> {
  readonly administrator: Administrator;
  /**
   * Asks again who acts, and writes the act into the audit: to be awaited inside the transaction that does it, which may have
   * waited for its turn. When that is run again, so is this, and the last time counts.
   * @throws as `Authenticate`
   */
  written(details?: AuditDetails): Promise<void>;
}

interface Acting<P, Q, B extends Stated> extends Omit<OperationOf<P, Q, B>, 'security' | 'handle' | 'use'> {
  /** What it is done to, as the audit names it. */
  targets(input: OperationInput<P, Q, B>): readonly string[] | Promise<readonly string[]>;
  /** Does it, and says what is answered; `undefined`: 204. A `NotDone` is answered with 200 and not written down. */
  act(input: ActInput<P, Q, B>): object | undefined | Promise<object | undefined>;
}

interface Looking<P, Q, B> extends Omit<OperationOf<P, Q, B>, 'security' | 'handle' | 'use'> {
  look(input: OperationInput<P, Q, B>): object | Promise<object>;
}

/** What an act answers that only said what it would have done. */
export class NotDone {
  readonly body: object;

  constructor(body: object) {
    this.body = body;
  }
}

/** Makes the operations of administrators: those that only look, and those that are written into the audit. */
export interface Desk {
  looks<P = undefined, Q = undefined, B = undefined>(definition: Looking<P, Q, B>): Operation;
  acts<P = undefined, Q = undefined, B extends Stated = Stated>(definition: Acting<P, Q, B>): Operation;
}

/** What every operation of operators may be refused for. */
const OF_OPERATORS: readonly ErrorCode[] = ['operator_invalid'];

export function createDesk(audit: Audit): Desk {
  return {
    looks: ({ look, ...definition }) =>
      operation({
        ...definition,
        security: 'operator',
        errors: [...definition.errors, ...OF_OPERATORS],
        handle: async (_request, response, input) => answer(response, statusOf(definition), await look(input)),
      }),

    acts: ({ act, targets, ...definition }) =>
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
          const written = async (details: AuditDetails = {}) => {
            await administrator.confirm();
            entry = audit.record({ ...record, result: 'done', details });
          };
          try {
            await administrator.confirm();
            const result = await act({ ...input, administrator, written });
            if (result instanceof NotDone) return answer(response, 200, result.body);
            answer(response, statusOf(definition), result);
          } catch (error) {
            const result = error instanceof RescindError ? error.code : 'internal';
            await audit.refused({ ...record, result, details: {} });
            throw error;
          }
          if (entry === undefined) throw new Error(`the act ${definition.id} was not written into the audit`);
          audit.committed(entry);
        },
      }),
  };
}

/** What is answered when it has been done: the greatest status that the operation declares. */
function statusOf({ responses }: Pick<Operation, 'responses'>): number {
  return Math.max(...Object.keys(responses).map(Number));
}

function answer(response: Response, status: number, body: object | undefined): void {
  response.set('Cache-Control', 'no-store');
  if (body === undefined) response.status(204).end();
  else response.status(status).json(body);
}
