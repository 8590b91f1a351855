import type { ErrorCode, Telemetry } from '@rescind/revocation';
import { isCallersError } from '@rescind/revocation/errors';
import type { Operation, OperationGuards } from '@rescind/service/http';
import type { Request, RequestHandler, Response } from 'express';
import type { Audit } from '../audit/audit.ts';
import { UNKNOWN } from '../audit/audit.ts';
import type { AuditRecord } from '../audit/table.ts';
import type { FailedCredentials } from '../http/feed.ts';
import { missingScopes } from '../scopes.ts';
import type { Administrator, Authenticate } from './administrators.ts';
import { missingCredentials, readCredentials, scopeMissing, viaOf } from './administrators.ts';

/** The locals of a response after authentication. */
export interface AdministratorLocals {
  administrator: Administrator;
}

interface AccessOptions {
  readonly authenticate: Authenticate;
  readonly audit: Audit;
  readonly failedCredentials: FailedCredentials;
  readonly telemetry: Telemetry;
}

/** A token that was valid before is no guess: its holder must refresh, not wait. */
const WAS_GOOD: ReadonlySet<ErrorCode> = new Set(['token_expired', 'token_revoked', 'token_not_yet_valid']);

/** Requires the credentials of an administrator with each scope of the operation. */
export function createAdminGuards(options: AccessOptions): OperationGuards {
  const { authenticate, audit, failedCredentials, telemetry } = options;

  const identify = async (request: Request, response: Response, operation: Operation): Promise<Administrator> => {
    const credentials = readCredentials(request);
    if (credentials === undefined) throw missingCredentials();
    try {
      return await authenticate(credentials);
    } catch (error) {
      if (isCallersError(error) && !WAS_GOOD.has(error.code)) {
        failedCredentials.count(request, credentials.kind === 'basic' ? credentials.name : '');
        telemetry.log('warn', 'authn_login_fail', { operation: operation.id, code: error.code });
        await audit.refused(refusal({ who: UNKNOWN }, operation.id, error.code, response));
      }
      throw error;
    }
  };

  const guard = (operation: Operation): RequestHandler => {
    const needed = operation.scopes ?? [];
    return async (request, response, next) => {
      const administrator = await identify(request, response, operation);
      if (missingScopes(administrator.scopes, needed).length > 0) {
        await audit.refused(refusal(administrator, operation.id, 'scope_insufficient', response));
        throw scopeMissing(needed);
      }
      response.locals.administrator = administrator;
      next();
    };
  };
  return { operator: (operation) => [guard(operation)] };
}

function refusal(
  by: Pick<Administrator, 'who' | 'claims'>,
  operation: string,
  result: string,
  response: Response,
): AuditRecord {
  const requestId = String(response.getHeader('X-Request-Id') ?? '');
  return { who: by.who, operation, targets: [], reason: null, why: null, result, requestId, details: viaOf(by) };
}
