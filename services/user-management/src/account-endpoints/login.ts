import { RescindError } from '@rescind/revocation';
import { RequestRefused } from '@rescind/revocation/errors';
import type { Operation } from '@rescind/service/http';
import { operation } from '@rescind/service/http';
import { ACCESS, LIMITED, MINTS, TOKENS, WRITES } from '../http/responses.ts';
import type { CallerResponse, EndpointContext } from './context.ts';
import {
  answerAccess,
  answerTokens,
  CREDENTIAL_ERRORS,
  callerSession,
  codeOf,
  createFailureLog,
  originOf,
} from './context.ts';
import { credentialsBody, loginBody, registerAnswer, registerBody } from './schemas.ts';

/** Registration, login, and another verification of the credentials. */
export function loginOperations(context: EndpointContext): Operation[] {
  const { accounts, endpoints, limits, neverExpiring, telemetry } = context;
  const logFailure = createFailureLog(telemetry);

  const counted = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      const result = await logFailure('authn_login_fail', work);
      telemetry.count('rescind_logins_total', { result: 'success' });
      return result;
    } catch (error) {
      telemetry.count('rescind_logins_total', { result: codeOf(error) });
      throw error;
    }
  };

  return [
    operation({
      id: 'register',
      method: 'post',
      path: '/register',
      summary: 'Create an account',
      tag: 'Accounts',
      body: { type: 'json', schema: registerBody },
      responses: { 201: { description: 'The account exists', schema: registerAnswer } },
      errors: ['username_taken', 'password_refused', ...LIMITED, ...WRITES],
      use: [limits.byAddress],
      async handle(_request, response, { body: { username, password } }) {
        const { sub } = await accounts.register(username, password);
        telemetry.log('info', 'user_created', { sub });
        response.status(201).set('Cache-Control', 'no-store').json({ username });
      },
    }),

    operation({
      id: 'login',
      method: 'post',
      path: '/login',
      summary: 'Log in: a session begins',
      tag: 'Sessions',
      body: { type: 'json', schema: loginBody },
      responses: { 200: TOKENS },
      errors: [
        'client_invalid',
        'request_invalid',
        'scope_invalid',
        'target_invalid',
        ...CREDENTIAL_ERRORS,
        ...LIMITED,
        ...MINTS,
      ],
      use: [limits.byAddress],
      async handle(request, response, { body }) {
        const { username, password, totp, recoveryCode, ...options } = body;
        const { scope, resource, deviceName, deviceId, storage, neverExpires, ...client } = options;
        const credentials = { password, totp, recoveryCode };
        if (neverExpires && !neverExpiring) {
          throw new RequestRefused([{ path: 'neverExpires', message: 'must be false: it is not offered here' }]);
        }
        const { sub, ...tokens } = await counted(async () => {
          const { clientId } = await endpoints.authenticate(request, client);
          const device = { deviceName, deviceId, storage, neverExpires };
          const login = { clientId, scope, resource, ...device, ...originOf(request) };
          const known = accounts.knownDevice(username, login);
          try {
            return await limits.login(request, { username, device: known, proof: credentials }, () =>
              accounts.login(username, credentials, login),
            );
          } catch (error) {
            if (error instanceof RescindError && error.code === 'rate_limited') {
              accounts.noteRefusedLogin(username, login, error.code);
            }
            throw error;
          }
        });
        telemetry.log('info', 'authn_login_success', { sub });
        await answerTokens(context, response, sub, tokens);
      },
    }),

    operation({
      id: 'reauthenticate',
      method: 'post',
      path: '/reauthenticate',
      summary: 'Authenticate again: the session continues with a new `auth_time` (RFC 9470)',
      description: 'Earlier access tokens of the session are denied; its refresh token stays valid.',
      tag: 'Sessions',
      security: 'bearer',
      body: { type: 'json', schema: credentialsBody },
      responses: { 200: ACCESS },
      errors: ['session_ended', ...CREDENTIAL_ERRORS, ...LIMITED, ...MINTS],
      use: [limits.byAddress],
      async handle(_request, response: CallerResponse, { body }) {
        const { caller } = response.locals;
        const tokens = await logFailure('authn_login_fail', () =>
          limits.confirm(caller.sid, body, () => accounts.reauthenticate(callerSession(caller), body)),
        );
        telemetry.log('info', 'authn_login_success', { sub: caller.sub, again: true });
        answerAccess(context, response, caller.sub, tokens);
      },
    }),
  ];
}
