import type { Tokens, User } from '../client.ts';
import { expectAccepted, expectStatus, slowest } from './acts.ts';
import { round, untilRefused } from './measure.ts';
import type { Stage } from './stage.ts';

/** A refresh token is used by two: whoever comes second gives both away. */
export async function tokenIsStolen({ fleet, narrator }: Stage, user: User): Promise<void> {
  const { client, instances } = fleet;
  narrator.chapter('A stolen refresh token');
  let stolen: Tokens | undefined;
  let present: Tokens | undefined;
  await narrator.step('a desktop logs in and refreshes twice; each refresh token works once', async () => {
    stolen = await client.login(user, 'desktop');
    const next = await client.refreshed(stolen.refresh_token);
    present = await client.refreshed(next.refresh_token);
    await expectAccepted(instances, present);
    return {};
  });
  if (stolen === undefined || present === undefined) return;
  const { refresh_token } = stolen;
  const { access_token } = present;
  await narrator.step('a thief uses the first one again: the session ends, access tokens included', async () => {
    expectStatus(await client.refresh(refresh_token), 400, 'refresh');
    const refusals = await untilRefused(instances, access_token, performance.now());
    return { detail: `every instance refused after ${round(slowest(refusals))} ms`, ms: slowest(refusals) };
  });
}
