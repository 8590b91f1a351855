import type { Answer, Tokens, User } from '../client.ts';
import { request } from '../client.ts';
import type { Fleet } from '../fleet.ts';
import { expectAccepted, expectStatus, slowest } from './acts.ts';
import { round, untilRefused } from './measure.ts';
import type { Stage } from './stage.ts';

/** Somebody has to end everything, asks first what that would do, and does it. */
export async function operatorActs({ fleet, narrator }: Stage, user: User): Promise<void> {
  const { client, instances } = fleet;
  narrator.chapter('The operator');
  let watch: Tokens | undefined;
  await narrator.step('asks first: how many sessions would end, if everybody were logged out?', async () => {
    for (const device of ['television', 'car', 'watch']) watch = await client.login(user, device);
    if (watch !== undefined) await expectAccepted(instances, watch);
    const answer = await operate(fleet, 'revocations/preview', { cutoffs: [{ claim: 'iss' }] });
    expectStatus(answer, 200, 'the preview');
    const { sessions } = answer.body as { readonly sessions: number };
    if (sessions < 3) throw new Error(`${sessions} sessions, and three have just begun`);
    return { detail: `${sessions}; nothing has been done` };
  });
  if (watch === undefined) return;
  const { access_token } = watch;
  await narrator.step('does it, in one call: every instance refuses', async () => {
    const answer = await operate(fleet, 'emergency', { confirm: 'everybody', why: 'the demo wants to see it' });
    expectStatus(answer, 201, 'the emergency');
    const refusals = await untilRefused(instances, access_token, performance.now());
    return { detail: `${round(slowest(refusals))} ms`, ms: slowest(refusals) };
  });
  await narrator.step('a new login works at once, everywhere', async () => {
    await expectAccepted(instances, await client.login(user, 'watch'));
    return {};
  });
}

function operate({ adminUrl, operator }: Fleet, what: string, body: object): Promise<Answer> {
  const credential = Buffer.from(`${operator.name}:${operator.secret}`).toString('base64');
  return request(`${adminUrl}/admin/${what}`, {
    method: 'POST',
    headers: { authorization: `Basic ${credential}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
}
