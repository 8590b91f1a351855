import type { Fleet, FleetOptions, FleetResponse, ServiceProcess } from '@rescind/dev-fleet';
import { bearer, codeOf, openFleet, protectedUrl, request } from '@rescind/dev-fleet';
import type { Broker } from '@rescind/dev-kafka';
import { openBroker } from '@rescind/dev-kafka';
import { onTestFailed, onTestFinished } from 'vitest';
import { waitFor } from './wait.ts';

/** A fleet of this test's own. When the test fails, the end of each process's log is shown. */
export async function fleetOf(options: FleetOptions = {}): Promise<Fleet> {
  const fleet = await openFleet(options);
  onTestFailed(() => {
    for (const { name, lines } of [fleet.issuer, ...fleet.instances])
      console.error(`--- ${name}\n${lines.slice(-25).join('\n')}`);
  });
  onTestFinished(async () => {
    await fleet.close();
    // A use of a metric that the catalogue does not have fails every test.
    for (const { name, line } of [fleet.issuer, ...fleet.instances]) {
      const unusable = line('metric_unusable');
      if (unusable !== undefined) throw new Error(`${name}: ${JSON.stringify(unusable)}`);
    }
  });
  return fleet;
}

/** A broker of this test's own, to be killed. */
export async function brokerOfOwn(): Promise<Broker> {
  const broker = await openBroker({ own: true });
  onTestFinished(() => broker.close());
  return broker;
}

/** The response of an instance to a token: `200`, the code of the refusal, or `unreachable`. */
export async function verdictOf(instance: ServiceProcess, token: string): Promise<string> {
  let answer: FleetResponse;
  try {
    answer = await request(protectedUrl(instance), bearer(token));
  } catch {
    return 'unreachable';
  }
  return answer.status === 200 ? '200' : (codeOf(answer) ?? String(answer.status));
}

export const verdictsOf = (instances: readonly ServiceProcess[], token: string): Promise<string[]> =>
  Promise.all(instances.map((instance) => verdictOf(instance, token)));

/** Waits until what every instance denies from memory is in its file, too. */
export async function untilWritten(instances: readonly ServiceProcess[]): Promise<void> {
  for (const instance of instances) {
    await waitFor(`${instance.name} owes its file nothing`, async () => {
      const { checks = [] } = (await instance.health()).body;
      const check = checks.find(({ name }) => name === 'denylist');
      // An instance of the version before reports `owed`.
      return (check?.pendingRows ?? check?.owed) === 0;
    });
  }
}

/** Waits until every instance answers the token with this. */
export async function untilAll(
  instances: readonly ServiceProcess[],
  token: string,
  verdict: string,
  deadlineMs = 20_000,
): Promise<void> {
  let last: string[] = [];
  await waitFor(
    `every instance answers ${verdict}`,
    async () => {
      last = await verdictsOf(instances, token);
      return last.every((one) => one === verdict);
    },
    deadlineMs,
  ).catch((error: unknown) => {
    throw new Error(`the last answers were ${last.join(', ')}`, { cause: error });
  });
}

/** A check of /readyz by its name, or undefined. */
export async function checkOf(
  service: ServiceProcess,
  name: string,
): Promise<Readonly<Record<string, unknown>> | undefined> {
  const { body } = await service.health();
  return body.checks?.find((check) => check.name === name);
}

/** Waits until every instance has a complete view that it reads by this transport. */
export async function untilComplete(
  instances: readonly ServiceProcess[],
  transport: 'kafka' | 'http',
  deadlineMs = 60_000,
): Promise<void> {
  await waitFor(
    `every instance has a complete view, read by ${transport}`,
    async () => {
      const views = await Promise.all(instances.map((instance) => checkOf(instance, 'feed')));
      // An instance of the version before reports `way`.
      return views.every(
        (view) => view?.status === 'pass' && (view.transport ?? view.way) === transport && view.lag === 0,
      );
    },
    deadlineMs,
  );
}
