import type { Operation } from '@rescind/service/http';
import { operation } from '@rescind/service/http';
import { ACCESS, LIMITED, MINTS, NO_STORE, WRITES } from '../http/declared.ts';
import { answerAccess } from './answer.ts';
import type { CallerResponse, EndpointRoom } from './room.ts';
import { holderOf, PROVES } from './room.ts';
import { sayingFailures } from './said.ts';
import { confirmAnswer, confirmBody, credentialsBody, recoveryCodesAnswer, secretAnswer } from './schemas.ts';

const TAG = 'Accounts';

/** One-time codes by an authenticator application (RFC 6238). */
export function secondFactorOperations(room: EndpointRoom): Operation[] {
  const { secondFactors, limits, telemetry } = room;
  const said = sayingFailures(telemetry);

  return [
    operation({
      id: 'enrolTotp',
      method: 'post',
      path: '/totp',
      summary: 'Begin with one-time codes: a secret, shown once',
      tag: TAG,
      security: 'bearer',
      body: { type: 'json', schema: credentialsBody },
      responses: { 200: { description: 'Not asked for before it is confirmed', schema: secretAnswer } },
      errors: ['second_factor_state', ...PROVES, ...LIMITED, ...WRITES],
      use: [limits.byAddress],
      async handle(_request, response: CallerResponse, { body }) {
        const { caller } = response.locals;
        const secret = await said('authn_second_factor_change_fail', () =>
          limits.confirm(caller.sid, body, () => secondFactors.enrol(holderOf(caller), body)),
        );
        response.set(NO_STORE).json(secret);
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
      responses: {
        200: { ...ACCESS, description: 'An access token of this session, and recovery codes', schema: confirmAnswer },
      },
      errors: ['second_factor_state', 'session_ended', ...PROVES, ...LIMITED, ...MINTS],
      use: [limits.byAddress],
      async handle(_request, response: CallerResponse, { body }) {
        const { caller } = response.locals;
        const { tokens, recoveryCodes } = await said('authn_second_factor_change_fail', () =>
          limits.confirm(caller.sid, body, () => secondFactors.confirm(holderOf(caller), body)),
        );
        telemetry.log('info', 'authn_second_factor_changed', { sub: caller.sub, what: 'confirmed' });
        answerAccess(room, response, caller.sub, tokens, { recoveryCodes });
      },
    }),

    operation({
      id: 'removeTotp',
      method: 'delete',
      path: '/totp',
      summary: 'No more one-time codes: every other session ends',
      tag: TAG,
      security: 'bearer',
      body: { type: 'json', schema: credentialsBody },
      responses: { 200: ACCESS },
      errors: ['second_factor_state', 'session_ended', ...PROVES, ...LIMITED, ...MINTS],
      use: [limits.byAddress],
      async handle(_request, response: CallerResponse, { body }) {
        const { caller } = response.locals;
        const tokens = await said('authn_second_factor_change_fail', () =>
          limits.confirm(caller.sid, body, () => secondFactors.remove(holderOf(caller), body)),
        );
        telemetry.log('info', 'authn_second_factor_changed', { sub: caller.sub, what: 'removed' });
        answerAccess(room, response, caller.sub, tokens);
      },
    }),

    operation({
      id: 'renewRecoveryCodes',
      method: 'post',
      path: '/totp/recovery-codes',
      summary: 'New recovery codes in place of those there are',
      tag: TAG,
      security: 'bearer',
      body: { type: 'json', schema: credentialsBody },
      responses: { 200: { description: 'Shown once', schema: recoveryCodesAnswer } },
      errors: ['second_factor_state', ...PROVES, ...LIMITED, ...WRITES],
      use: [limits.byAddress],
      async handle(_request, response: CallerResponse, { body }) {
        const { sub, sid } = response.locals.caller;
        const recoveryCodes = await said('authn_second_factor_change_fail', () =>
          limits.confirm(sid, body, () => secondFactors.renewRecoveryCodes(sub, body)),
        );
        telemetry.log('info', 'authn_second_factor_changed', { sub, what: 'recovery_codes' });
        response.set(NO_STORE).json({ recoveryCodes });
      },
    }),
  ];
}
