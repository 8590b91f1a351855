import type { Operation } from '@rescind/service/http';
import { operation } from '@rescind/service/http';
import { ACCESS, clearEndedCookies, LIMITED, MINTS, NO_STORE, WRITES } from '../http/responses.ts';
import type { CallerResponse, EndpointContext } from './context.ts';
import { answerAccess, CREDENTIAL_ERRORS, callerSession, createFailureLog, originOf } from './context.ts';
import {
  confirmAnswer,
  confirmBody,
  credentialsBody,
  notMeBody,
  passwordBody,
  passwordResetBody,
  recoveryCodesAnswer,
  secretAnswer,
} from './schemas.ts';

/** Changes the password, sets it after a reset, and handles "this was not me". */
export function passwordOperations(context: EndpointContext): Operation[] {
  const { issuer, accounts, limits, telemetry } = context;
  const logFailure = createFailureLog(telemetry);

  return [
    operation({
      id: 'changePassword',
      method: 'post',
      path: '/password',
      summary: 'Change the password: every session ends',
      description:
        'The returned access token is of a new session without a refresh token, which ends with the token: log in with the new password before.',
      tag: 'Accounts',
      security: 'bearer',
      body: { type: 'json', schema: passwordBody },
      responses: { 200: ACCESS },
      errors: ['password_refused', 'scope_invalid', 'target_invalid', ...CREDENTIAL_ERRORS, ...LIMITED, ...MINTS],
      use: [limits.byAddress],
      async handle(request, response: CallerResponse, { body }) {
        const { caller } = response.locals;
        const { currentPassword: password, newPassword, deviceName, deviceId, ...proof } = body;
        const { clientId, scope, audience: resource } = caller;
        // The storage that the client may have.
        const session = await issuer.sessions.find(caller.sid);
        const storage = session?.storage;
        const login = { clientId, scope, resource, deviceName, deviceId, storage, ...originOf(request) };
        const tokens = await logFailure('authn_password_change_fail', () =>
          limits.confirm(caller.sid, proof, () =>
            accounts.changePassword(caller.sub, { password, ...proof }, newPassword, login),
          ),
        );
        telemetry.log('info', 'authn_password_change', { sub: caller.sub });
        await clearEndedCookies(request, response, issuer.sessions, session);
        answerAccess(context, response, caller.sub, tokens);
      },
    }),

    operation({
      id: 'resetPassword',
      method: 'post',
      path: '/password/reset',
      summary: 'Set another password, with the token of a reset',
      description: 'No session begins: log in with the new password, and the second factor if there is one.',
      tag: 'Accounts',
      body: { type: 'json', schema: passwordResetBody },
      responses: { 204: { description: 'The new password is valid, the token is not valid any more' } },
      errors: ['link_invalid', 'password_refused', ...LIMITED, ...WRITES],
      use: [limits.byAddress],
      async handle(request, response, { body: { resetToken, newPassword } }) {
        const { sub } = await logFailure('authn_password_change_fail', () =>
          accounts.setPassword(resetToken, newPassword),
        );
        telemetry.log('info', 'authn_password_change', { sub, reset: true });
        await clearEndedCookies(request, response, issuer.sessions);
        response.status(204).end();
      },
    }),

    operation({
      id: 'notMe',
      method: 'post',
      path: '/not-me',
      summary: '"This was not me": resets the password and logs out everywhere',
      description:
        'With the token of a notice, valid once. The next notice to the owner has the token that sets another password.',
      tag: 'Accounts',
      body: { type: 'json', schema: notMeBody },
      responses: { 204: { description: 'Durable: every session has ended, and the password is not valid any more' } },
      errors: ['link_invalid', 'rate_limited', ...WRITES],
      use: [limits.byAddress],
      async handle(request, response, { body: { token } }) {
        const { sub } = await logFailure('authn_not_me_fail', () => accounts.notMe(token));
        telemetry.log('warn', 'authn_not_me', { sub });
        await clearEndedCookies(request, response, issuer.sessions);
        response.status(204).end();
      },
    }),
  ];
}

const TAG = 'Accounts';

/** Operations of one-time codes by an authenticator application (RFC 6238). */
export function secondFactorOperations(context: EndpointContext): Operation[] {
  const { secondFactors, limits, telemetry } = context;
  const logFailure = createFailureLog(telemetry);

  return [
    operation({
      id: 'enrolTotp',
      method: 'post',
      path: '/totp',
      summary: 'Enrol one-time codes: returns a secret, shown once',
      tag: TAG,
      security: 'bearer',
      body: { type: 'json', schema: credentialsBody },
      responses: { 200: { description: 'Login does not require a code before it is confirmed', schema: secretAnswer } },
      errors: ['second_factor_state', ...CREDENTIAL_ERRORS, ...LIMITED, ...WRITES],
      use: [limits.byAddress],
      async handle(_request, response: CallerResponse, { body }) {
        const { caller } = response.locals;
        const secret = await logFailure('authn_second_factor_change_fail', () =>
          limits.confirm(caller.sid, body, () => secondFactors.enrol(callerSession(caller), body)),
        );
        response.set(NO_STORE).json(secret);
      },
    }),

    operation({
      id: 'confirmTotp',
      method: 'post',
      path: '/totp/confirm',
      summary: 'Confirm the new secret by a code: login requires codes from now on, and every other session ends',
      tag: TAG,
      security: 'bearer',
      body: { type: 'json', schema: confirmBody },
      responses: {
        200: { ...ACCESS, description: 'An access token of this session, and recovery codes', schema: confirmAnswer },
      },
      errors: ['second_factor_state', 'session_ended', ...CREDENTIAL_ERRORS, ...LIMITED, ...MINTS],
      use: [limits.byAddress],
      async handle(_request, response: CallerResponse, { body }) {
        const { caller } = response.locals;
        const { tokens, recoveryCodes } = await logFailure('authn_second_factor_change_fail', () =>
          limits.confirm(caller.sid, body, () => secondFactors.confirm(callerSession(caller), body)),
        );
        telemetry.log('info', 'authn_second_factor_changed', { sub: caller.sub, what: 'confirmed' });
        answerAccess(context, response, caller.sub, tokens, { recoveryCodes });
      },
    }),

    operation({
      id: 'removeTotp',
      method: 'delete',
      path: '/totp',
      summary: 'Remove one-time codes: every other session ends',
      tag: TAG,
      security: 'bearer',
      body: { type: 'json', schema: credentialsBody },
      responses: { 200: ACCESS },
      errors: ['second_factor_state', 'session_ended', ...CREDENTIAL_ERRORS, ...LIMITED, ...MINTS],
      use: [limits.byAddress],
      async handle(_request, response: CallerResponse, { body }) {
        const { caller } = response.locals;
        const tokens = await logFailure('authn_second_factor_change_fail', () =>
          limits.confirm(caller.sid, body, () => secondFactors.remove(callerSession(caller), body)),
        );
        telemetry.log('info', 'authn_second_factor_changed', { sub: caller.sub, what: 'removed' });
        answerAccess(context, response, caller.sub, tokens);
      },
    }),

    operation({
      id: 'renewRecoveryCodes',
      method: 'post',
      path: '/totp/recovery-codes',
      summary: 'Replace the recovery codes',
      tag: TAG,
      security: 'bearer',
      body: { type: 'json', schema: credentialsBody },
      responses: { 200: { description: 'Shown once', schema: recoveryCodesAnswer } },
      errors: ['second_factor_state', ...CREDENTIAL_ERRORS, ...LIMITED, ...WRITES],
      use: [limits.byAddress],
      async handle(_request, response: CallerResponse, { body }) {
        const { sub, sid } = response.locals.caller;
        const recoveryCodes = await logFailure('authn_second_factor_change_fail', () =>
          limits.confirm(sid, body, () => secondFactors.renewRecoveryCodes(sub, body)),
        );
        telemetry.log('info', 'authn_second_factor_changed', { sub, what: 'recovery_codes' });
        response.set(NO_STORE).json({ recoveryCodes });
      },
    }),
  ];
}
