import type { Issuer } from '@rescind/issuer';
import type { Telemetry } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import type { Request, Response } from 'express';
import type { Accounts } from '../accounts/accounts.ts';
import { requireClient } from '../oauth/clients.ts';
import type { CallerLocals } from './bearer.ts';
import type { LoginBody, PasswordBody, RegisterBody } from './bodies.ts';
import type { LoginLimits } from './limits.ts';

export interface SessionEndpoints {
  register(request: Request, response: Response): Promise<void>;
  login(request: Request, response: Response): Promise<void>;
  logout(request: Request, response: Response<unknown, CallerLocals>): Promise<void>;
  logoutEverywhere(request: Request, response: Response<unknown, CallerLocals>): Promise<void>;
  changePassword(request: Request, response: Response<unknown, CallerLocals>): Promise<void>;
}

export interface SessionEndpointsOptions {
  readonly issuer: Issuer;
  readonly accounts: Accounts;
  readonly limits: LoginLimits;
  readonly telemetry: Telemetry;
}

/** What a person does: registering, logging in and out, changing the password. */
export function createSessionEndpoints(options: SessionEndpointsOptions): SessionEndpoints {
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

  return {
    async register(request, response) {
      const { username, password }: RegisterBody = request.body;
      const { sub } = await accounts.register(username, password);
      telemetry.log('info', 'user_created', { sub });
      response.status(201).set('Cache-Control', 'no-store').json({ username });
    },

    async login(request, response) {
      const { username, password, deviceName, client_id, scope }: LoginBody = request.body;
      const answer = await said('login', async () => {
        const { clientId } = requireClient(client_id);
        const account = await limits.login(request, username, () => accounts.prove(username, password));
        const tokens = accounts.begin(account, { clientId, scope, deviceName });
        telemetry.log('info', 'authn_login_success', { sub: account.sub });
        return tokens;
      });
      response.set(NO_STORE).json(answer);
    },

    async logout(_request, response) {
      const { sub, sid } = response.locals.caller;
      await issuer.endSession({ sid, reason: 'logout' });
      telemetry.log('info', 'session_logout', { sub, scope: 'session' });
      response.status(204).end();
    },

    async logoutEverywhere(_request, response) {
      const { sub } = response.locals.caller;
      await issuer.endAllSessions({ sub, reason: 'logout_everywhere' });
      telemetry.log('info', 'session_logout', { sub, scope: 'everywhere' });
      response.status(204).end();
    },

    async changePassword(request, response) {
      const { sub, clientId, scope } = response.locals.caller;
      const { currentPassword, newPassword, deviceName }: PasswordBody = request.body;
      const login = { clientId, scope, deviceName };
      const answer = await said('password', () =>
        limits.confirm(sub, () => accounts.changePassword(sub, currentPassword, newPassword, login)),
      );
      telemetry.log('info', 'authn_password_change', { sub });
      response.set(NO_STORE).json(answer);
    },
  };
}

/** RFC 6749 section 5.1. */
export const NO_STORE = { 'Cache-Control': 'no-store', Pragma: 'no-cache' } as const;
