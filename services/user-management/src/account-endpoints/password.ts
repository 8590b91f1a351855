import type { Operation } from '@rescind/service/http';
import { operation } from '@rescind/service/http';
import { ACCESS, LIMITED, MINTS, WRITES } from '../http/declared.ts';
import { clearEndedCookies } from '../http/refresh-cookie.ts';
import { answerAccess } from './answer.ts';
import type { CallerResponse, EndpointRoom } from './room.ts';
import { PROVES, placeOf } from './room.ts';
import { sayingFailures } from './said.ts';
import { notMeBody, passwordBody, passwordResetBody } from './schemas.ts';

/** Changing the password, setting it anew after a reset, and "this was not me". */
export function passwordOperations(room: EndpointRoom): Operation[] {
  const { issuer, accounts, limits, telemetry } = room;
  const said = sayingFailures(telemetry);

  return [
    operation({
      id: 'changePassword',
      method: 'post',
      path: '/password',
      summary: 'Change the password: every session ends',
      description:
        'The access token answered is of a new session without a refresh token, which ends with it: log in with the new password meanwhile.',
      tag: 'Accounts',
      security: 'bearer',
      body: { type: 'json', schema: passwordBody },
      responses: { 200: ACCESS },
      errors: ['password_refused', 'scope_invalid', 'target_invalid', ...PROVES, ...LIMITED, ...MINTS],
      use: [limits.byAddress],
      async handle(request, response: CallerResponse, { body }) {
        const { caller } = response.locals;
        const { currentPassword: password, newPassword, deviceName, deviceId, ...proof } = body;
        const { clientId, scope, audience: resource } = caller;
        // Of the kind that the client may have.
        const session = await issuer.sessions.find(caller.sid);
        const storage = session?.storage;
        const login = { clientId, scope, resource, deviceName, deviceId, storage, ...placeOf(request) };
        const tokens = await said('authn_password_change_fail', () =>
          limits.confirm(caller.sid, proof, () =>
            accounts.changePassword(caller.sub, { password, ...proof }, newPassword, login),
          ),
        );
        telemetry.log('info', 'authn_password_change', { sub: caller.sub });
        await clearEndedCookies(request, response, issuer.sessions, session);
        answerAccess(room, response, caller.sub, tokens);
      },
    }),

    operation({
      id: 'resetPassword',
      method: 'post',
      path: '/password/reset',
      summary: 'Set the password anew, with the token of a reset',
      description: 'No session begins: log in with the new password, and the second factor where there is one.',
      tag: 'Accounts',
      body: { type: 'json', schema: passwordResetBody },
      responses: { 204: { description: 'The new password is good, the token no more' } },
      errors: ['link_invalid', 'password_refused', ...LIMITED, ...WRITES],
      use: [limits.byAddress],
      async handle(request, response, { body: { resetToken, newPassword } }) {
        const { sub } = await said('authn_password_change_fail', () => accounts.setPassword(resetToken, newPassword));
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
        'With the token of a notice of a new login, good once. How to set a new password is told to the owner by the next notice.',
      tag: 'Accounts',
      body: { type: 'json', schema: notMeBody },
      responses: { 204: { description: 'Durable: every session has ended, and the password is good for nothing' } },
      errors: ['link_invalid', 'rate_limited', ...WRITES],
      use: [limits.byAddress],
      async handle(request, response, { body: { token } }) {
        const { sub } = await said('authn_not_me_fail', () => accounts.notMe(token));
        telemetry.log('warn', 'authn_not_me', { sub });
        await clearEndedCookies(request, response, issuer.sessions);
        response.status(204).end();
      },
    }),
  ];
}
