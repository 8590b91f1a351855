import type { DurationMs } from '@rescind/revocation';
import type { Operation } from '@rescind/service/http';
import { operation } from '@rescind/service/http';
import type { Response } from 'express';
import { z } from 'zod';
import { missingScopes } from '../scopes.ts';
import type { AdministratorLocals } from './access.ts';
import { millis } from './schemas.ts';

const me = z
  .strictObject({
    now: millis.describe('The time of the issuer'),
    who: z.string().describe('As in the audit: `operator:<name>` or `sub:<user>`'),
    username: z.string().nullable().describe('The name of the user; null for an operator'),
    scopes: z.array(z.string()),
    operations: z.array(z.string()).describe('The ids of the operations that these scopes permit'),
    authTime: millis.nullable().describe('The last login of the user; null for an operator'),
    stepUpUntil: millis
      .nullable()
      .describe(
        'Until when the login is recent enough for a command of more than one user; null: an operator needs none',
      ),
  })
  .meta({ id: 'Administrator' });

interface OwnOperationOptions {
  readonly operations: readonly Operation[];
  readonly usernameOf: (sub: string) => string | null;
  /** The maximum age of a login for a command of more than one user. In ms. */
  readonly stepUpMs: DurationMs;
  readonly now: () => number;
}

/** What the administrator who asks may do, so that a user interface offers exactly that. */
export function ownOperation({ operations, usernameOf, stepUpMs, now }: OwnOperationOptions): Operation {
  return operation({
    id: 'getMe',
    method: 'get',
    path: '/admin/me',
    summary: 'The administrator who asks: name, scopes, permitted operations, and until when the login is recent',
    tag: 'Administrator',
    security: 'operator',
    responses: { 200: { description: 'The administrator', schema: me } },
    errors: ['operator_invalid'],
    handle(_request, response: Response<unknown, AdministratorLocals>) {
      const { who, scopes, claims } = response.locals.administrator;
      const permitted = operations.filter((one) => missingScopes(scopes, one.scopes ?? []).length === 0);
      const { sub, auth_time: authSeconds, iat, exp } = claims ?? {};
      const authTime = typeof authSeconds === 'number' ? authSeconds * 1_000 : null;
      const lifeMs = (Number(exp) - Number(iat)) * 1_000;
      // As the check itself: a third of the life of a token that lives no longer than that.
      const recentMs = stepUpMs < lifeMs ? stepUpMs : Math.max(1_000, Math.floor(lifeMs / 3_000) * 1_000);
      response.set('Cache-Control', 'no-store').json({
        now: now(),
        who,
        username: typeof sub === 'string' ? usernameOf(sub) : null,
        scopes: [...scopes],
        operations: permitted.map(({ id }) => id),
        authTime,
        stepUpUntil: authTime === null ? null : authTime + recentMs,
      });
    },
  });
}
