import type { Issuer } from '@rescind/issuer';
import type { Telemetry } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import type { Operation } from '@rescind/service';
import { operation } from '@rescind/service';
import type { Response } from 'express';
import type { Accounts } from '../accounts/accounts.ts';
import { requireClient } from '../oauth/clients.ts';
import type { CallerLocals } from './bearer.ts';
import { loginBody, passwordBody, registerAnswer, registerBody } from './bodies.ts';
import { LIMITED, MINTS, NO_STORE, TOKENS, WRITES } from './declared.ts';
import type { LoginLimits } from './limits.ts';

const LOGGED_OUT = { description: 'Durable: no service takes its tokens any more' };

export interface SessionOperationsOptions {
  readonly issuer: Issuer;
  readonly accounts: Accounts;
  readonly limits: LoginLimits;
  readonly telemetry: Telemetry;
}

/** What a person does: registering, logging in and out, changing the password. */
export function sessionOperations(options: SessionOperationsOptions): Operation[] {
  const { issuer, accounts, limits, telemetry } = options;

  /** Passes `work` on, having said and counted how it ended. */
  const said = async <T>(kind: 'login' | 'password', work: () => Promise<T>): Promise<T> => {
    const result = await work().catch((error: unknown) => {
      const code = error instanceof RescindError ? error.code : 'internal';
      if (kind === 'login') telemetry.count('rescind_logins_total', { result: code });
      telemetry.log('warn', kind === 'login' ? 'authn_login_fail' : 'authn_password_change_fail', { code });
      throw error;
    });
    if (kind === 'login') telemetry.count('rescind_logins_total', { result: 'success' });
    return result;
  };

  return [
    operation({
      id: 'register',
      method: 'post',
      path: '/register',
      summary: 'Make an account',
      tag: 'Accounts',
      body: { type: 'json', schema: registerBody },
      answers: { 201: { description: 'The account is there', schema: registerAnswer } },
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
      answers: { 200: TOKENS },
      errors: ['credentials_wrong', 'client_invalid', 'scope_invalid', 'subject_inactive', ...LIMITED, ...MINTS],
      use: [limits.byAddress],
      async handle(request, response, { body: { username, password, deviceName, client_id, scope } }) {
        const answer = await said('login', async () => {
          const { clientId } = requireClient(client_id);
          const account = await limits.login(request, username, () => accounts.prove(username, password));
          const tokens = accounts.begin(account, { clientId, scope, deviceName });
          telemetry.log('info', 'authn_login_success', { sub: account.sub });
          return tokens;
        });
        response.set(NO_STORE).json(answer);
      },
    }),

    operation({
      id: 'logout',
      method: 'post',
      path: '/logout',
      summary: 'End this session',
      tag: 'Sessions',
      security: 'bearer',
      answers: { 204: LOGGED_OUT },
      errors: WRITES,
      async handle(_request, response: Response<unknown, CallerLocals>) {
        const { sub, sid } = response.locals.caller;
        await issuer.endSession({ sid, reason: 'logout' });
        telemetry.log('info', 'session_logout', { sub, scope: 'session' });
        response.status(204).end();
      },
    }),

    operation({
      id: 'logoutEverywhere',
      method: 'post',
      path: '/logout-everywhere',
      summary: 'End every session of the user',
      tag: 'Sessions',
      security: 'bearer',
      answers: { 204: LOGGED_OUT },
      errors: WRITES,
      async handle(_request, response: Response<unknown, CallerLocals>) {
        const { sub } = response.locals.caller;
        await issuer.endAllSessions({ sub, reason: 'logout_everywhere' });
        telemetry.log('info', 'session_logout', { sub, scope: 'everywhere' });
        response.status(204).end();
      },
    }),

    operation({
      id: 'changePassword',
      method: 'post',
      path: '/password',
      summary: 'Change the password: every session ends, and one begins',
      tag: 'Accounts',
      security: 'bearer',
      body: { type: 'json', schema: passwordBody },
      answers: { 200: TOKENS },
      errors: ['credentials_wrong', 'password_refused', 'scope_invalid', 'subject_inactive', ...LIMITED, ...MINTS],
      use: [limits.byAddress],
      async handle(_request, response: Response<unknown, CallerLocals>, { body }) {
        const { sub, clientId, scope } = response.locals.caller;
        const login = { clientId, scope, deviceName: body.deviceName };
        const answer = await said('password', () =>
          limits.confirm(sub, () => accounts.changePassword(sub, body.currentPassword, body.newPassword, login)),
        );
        telemetry.log('info', 'authn_password_change', { sub });
        response.set(NO_STORE).json(answer);
      },
    }),
  ];
}
