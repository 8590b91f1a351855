import type { Operation } from '@rescind/service';
import { operation } from '@rescind/service';
import { LIMITED, MINTS, NO_STORE, TOKENS, WRITES } from '../http/declared.ts';
import { answerTokens } from './answer.ts';
import { requireRecentLogin } from './recent.ts';
import type { CallerResponse, EndpointRoom } from './room.ts';
import { PROVES } from './room.ts';
import { sayingFailures } from './said.ts';
import { confirmAnswer, confirmBody, reauthenticateBody, recoveryCodesAnswer, secretAnswer } from './schemas.ts';

const TAG = 'Accounts';

/** One-time codes by an authenticator application (RFC 6238). */
export function secondFactorOperations(room: EndpointRoom): Operation[] {
  const { secondFactors, limits, recentLoginMs, clock, telemetry } = room;
  const said = sayingFailures(telemetry);

  return [
    operation({
      id: 'enrolTotp',
      method: 'post',
      path: '/totp',
      summary: 'Begin with one-time codes: a secret, shown once; wants a recent login',
      tag: TAG,
      security: 'bearer',
      answers: { 200: { description: 'Not asked for before it is confirmed', schema: secretAnswer } },
      errors: ['second_factor_state', 'subject_unknown', 'authentication_insufficient', ...WRITES],
      async handle(_request, response: CallerResponse) {
        requireRecentLogin(response, recentLoginMs, clock);
        response.set(NO_STORE).json(await secondFactors.enrol(response.locals.caller.sub));
      },
    }),

    operation({
      id: 'confirmTotp',
      method: 'post',
      path: '/totp/confirm',
      summary: 'Show a code of the new secret: it is asked for from now on, and every other session ends',
      tag: TAG,
      security: 'bearer',
      body: { type: 'json', schema: confirmBody },
      answers: { 200: { ...TOKENS, description: 'Tokens of this session, and recovery codes', schema: confirmAnswer } },
      errors: [
        ...(['second_factor_state', 'second_factor_wrong', 'subject_unknown', 'subject_inactive'] as const),
        ...(['session_ended', 'authentication_insufficient', 'rate_limited'] as const),
        ...MINTS,
      ],
      async handle(_request, response: CallerResponse, { body: { totp } }) {
        const { caller } = response.locals;
        requireRecentLogin(response, recentLoginMs, clock);
        const { tokens, recoveryCodes } = await limits.confirm(caller.sub, () => secondFactors.confirm(caller, totp));
        telemetry.log('info', 'authn_second_factor_changed', { sub: caller.sub, what: 'confirmed' });
        answerTokens(room, response, caller.sub, tokens, { recoveryCodes });
      },
    }),

    operation({
      id: 'removeTotp',
      method: 'delete',
      path: '/totp',
      summary: 'No more one-time codes: every other session ends',
      tag: TAG,
      security: 'bearer',
      body: { type: 'json', schema: reauthenticateBody },
      answers: { 200: TOKENS },
      errors: ['second_factor_state', 'session_ended', ...PROVES, ...LIMITED, ...MINTS],
      use: [limits.byAddress],
      async handle(_request, response: CallerResponse, { body }) {
        const { caller } = response.locals;
        const tokens = await said('authn_second_factor_change_fail', () =>
          limits.confirm(caller.sub, () => secondFactors.remove(caller, body)),
        );
        telemetry.log('info', 'authn_second_factor_changed', { sub: caller.sub, what: 'removed' });
        answerTokens(room, response, caller.sub, tokens);
      },
    }),

    operation({
      id: 'renewRecoveryCodes',
      method: 'post',
      path: '/totp/recovery-codes',
      summary: 'New recovery codes in place of those there are',
      tag: TAG,
      security: 'bearer',
      body: { type: 'json', schema: reauthenticateBody },
      answers: { 200: { description: 'Shown once', schema: recoveryCodesAnswer } },
      errors: ['second_factor_state', ...PROVES, ...LIMITED, ...WRITES],
      use: [limits.byAddress],
      async handle(_request, response: CallerResponse, { body }) {
        const { sub } = response.locals.caller;
        const recoveryCodes = await said('authn_second_factor_change_fail', () =>
          limits.confirm(sub, () => secondFactors.renewRecoveryCodes(sub, body)),
        );
        telemetry.log('info', 'authn_second_factor_changed', { sub, what: 'recovery_codes' });
        response.set(NO_STORE).json({ recoveryCodes });
      },
    }),
  ];
}
