import type { Operation } from '@rescind/service';
import { operation } from '@rescind/service';
import { LIMITED, MINTS, NO_STORE, TOKENS, WRITES } from '../http/declared.ts';
import { clearEndedCookies } from '../http/refresh-cookie.ts';
import { answerTokens } from './answer.ts';
import { requireRecentLogin } from './recent.ts';
import type { CallerResponse, EndpointRoom } from './room.ts';
import { PROVES } from './room.ts';
import { sayingFailures } from './said.ts';
import { accountAnswer, accountPatch } from './schemas.ts';

const TAG = 'Accounts';

/** One's own account: seen, changed, deleted. */
export function ownAccountOperations(room: EndpointRoom): Operation[] {
  const { issuer, accounts, secondFactors, administration, limits, recentLoginMs, clock, telemetry } = room;
  const said = sayingFailures(telemetry);

  return [
    operation({
      id: 'getAccount',
      method: 'get',
      path: '/account',
      summary: 'Your account',
      tag: TAG,
      security: 'bearer',
      answers: { 200: { description: 'As it is now', schema: accountAnswer } },
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
      summary: 'Change your phone number: older tokens die, sessions go on',
      description:
        'Answers tokens of this session that have the new claim; the other sessions get it when they refresh.',
      tag: TAG,
      security: 'bearer',
      body: { type: 'json', schema: accountPatch },
      answers: { 200: TOKENS },
      errors: ['session_ended', ...PROVES, ...LIMITED, ...MINTS],
      use: [limits.byAddress],
      async handle(_request, response: CallerResponse, { body: { phone, ...credentials } }) {
        const { caller } = response.locals;
        const tokens = await said('user_update_fail', () =>
          limits.confirm(caller.sub, () => accounts.changePhone(caller, credentials, phone)),
        );
        telemetry.log('info', 'user_updated', { sub: caller.sub, what: 'phone' });
        answerTokens(room, response, caller.sub, tokens);
      },
    }),

    operation({
      id: 'deleteAccount',
      method: 'delete',
      path: '/account',
      summary: 'Delete your account: every session ends, everything personal is erased; wants a recent login',
      tag: TAG,
      security: 'bearer',
      answers: { 204: { description: 'Durable: no service takes its tokens any more' } },
      errors: ['subject_unknown', 'authentication_insufficient', ...WRITES],
      async handle(request, response: CallerResponse) {
        requireRecentLogin(response, recentLoginMs, clock);
        const { sub, sid } = response.locals.caller;
        const session = issuer.sessions.find(sid);
        await administration.remove({ sub });
        clearEndedCookies(request, response, issuer.sessions, session);
        response.status(204).end();
      },
    }),
  ];
}
