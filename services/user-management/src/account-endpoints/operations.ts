import type { ErrorCode } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import type { Operation } from '@rescind/service/http';
import { operation } from '@rescind/service/http';
import { ACCESS, clearEndedCookies, LIMITED, MINTS, NO_STORE, WRITES } from '../http/responses.ts';
import { requires } from '../scopes.ts';
import type { CallerResponse, EndpointContext } from './context.ts';
import { answerAccess, CREDENTIAL_ERRORS, callerSession, createFailureLog } from './context.ts';
import { loginOperations } from './login.ts';
import { logoutOperations } from './logout.ts';
import { passwordOperations, secondFactorOperations } from './password.ts';
import { accountAnswer, accountPatch, credentialsBody } from './schemas.ts';
import { ownSessionOperations } from './sessions.ts';

/** The operations of users. Each that takes an access token requires the scope `account`. */
export function personOperations(given: EndpointContext): Operation[] {
  const context = { ...given, limits: recordingConfirmations(given) };
  const operations = [
    ...loginOperations(context),
    ...logoutOperations(context),
    ...ownSessionOperations(context),
    ...passwordOperations(context),
    ...secondFactorOperations(context),
    ...ownAccountOperations(context),
  ];
  const { userEvents } = context.issuer;
  return operations.map((each) => ({
    ...each,
    ...(each.security === 'bearer' ? { scopes: requires('account') } : {}),
    handle: (...given) => userEvents.as('user', () => each.handle(...given)),
  }));
}

const CONFIRMATION_REFUSALS: ReadonlySet<ErrorCode> = new Set(
  [...CREDENTIAL_ERRORS, 'rate_limited' as const].filter((code) => code !== 'second_factor_required'),
);

/** The same limits; a wrong password or code of a logged-in user is recorded as an event. */
function recordingConfirmations({ limits, issuer, telemetry }: EndpointContext): EndpointContext['limits'] {
  /** Never rejects: the response is that of the refusal. */
  const record = async (sid: string, { code, reason }: RescindError) => {
    try {
      const { sub, clientId, origin } = (await issuer.sessions.find(sid)) ?? {};
      issuer.userEvents.refused({ type: 'confirmation_refused', code, reason, sub, sid, clientId, origin });
    } catch (error) {
      telemetry.log('error', 'user_event_failed', { error: error instanceof Error ? error.message : String(error) });
    }
  };
  return {
    ...limits,
    async confirm(sid, shown, work) {
      try {
        return await limits.confirm(sid, shown, work);
      } catch (error) {
        if (error instanceof RescindError && CONFIRMATION_REFUSALS.has(error.code)) await record(sid, error);
        throw error;
      }
    },
  };
}

const TAG = 'Accounts';

/** Reads, changes and deletes the user's own account. */
function ownAccountOperations(context: EndpointContext): Operation[] {
  const { issuer, accounts, secondFactors, limits, telemetry } = context;
  const logFailure = createFailureLog(telemetry);

  return [
    operation({
      id: 'getAccount',
      method: 'get',
      path: '/account',
      summary: 'Your account',
      tag: TAG,
      security: 'bearer',
      responses: { 200: { description: 'The account as it is now', schema: accountAnswer } },
      errors: ['subject_unknown'],
      handle(_request, response: CallerResponse) {
        const { sub, username, claims, createdAt, lastLoginAt, secondFactor } = accounts.view(
          response.locals.caller.sub,
        );
        const recoveryCodesLeft = secondFactors.recoveryCodesLeft(sub);
        const answer = { sub, username, claims, createdAt, lastLoginAt, secondFactor, recoveryCodesLeft };
        response.set(NO_STORE).json(answer);
      },
    }),

    operation({
      id: 'changeAccount',
      method: 'patch',
      path: '/account',
      summary: 'Change your phone number: earlier tokens are denied, sessions continue',
      description:
        'Returns an access token of this session with the new claim; the other sessions get it when they refresh.',
      tag: TAG,
      security: 'bearer',
      body: { type: 'json', schema: accountPatch },
      responses: { 200: ACCESS },
      errors: ['session_ended', ...CREDENTIAL_ERRORS, ...LIMITED, ...MINTS],
      use: [limits.byAddress],
      async handle(_request, response: CallerResponse, { body: { phone, ...credentials } }) {
        const { caller } = response.locals;
        const tokens = await logFailure('user_update_fail', () =>
          limits.confirm(caller.sid, credentials, () =>
            accounts.changePhone(callerSession(caller), credentials, phone),
          ),
        );
        telemetry.log('info', 'user_updated', { sub: caller.sub, what: 'phone' });
        answerAccess(context, response, caller.sub, tokens);
      },
    }),

    operation({
      id: 'deleteAccount',
      method: 'delete',
      path: '/account',
      summary: 'Delete your account: every session ends, everything personal is erased',
      tag: TAG,
      security: 'bearer',
      body: { type: 'json', schema: credentialsBody },
      responses: { 204: { description: 'Durable: every service refuses its tokens' } },
      errors: [...CREDENTIAL_ERRORS, ...LIMITED, ...WRITES],
      use: [limits.byAddress],
      async handle(request, response: CallerResponse, { body }) {
        const { sub, sid } = response.locals.caller;
        const session = await issuer.sessions.find(sid);
        await logFailure('user_delete_fail', () => limits.confirm(sid, body, () => accounts.remove(sub, body)));
        telemetry.log('info', 'user_deleted', { sub, what: 'deleted' });
        await clearEndedCookies(request, response, issuer.sessions, session);
        response.status(204).end();
      },
    }),
  ];
}
