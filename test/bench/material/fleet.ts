import { fileURLToPath } from 'node:url';
import type { Fleet, FleetOptions, ServiceProcess, User } from '@rescind/dev-fleet';
import { bearer, openFleet, protectedUrl, request } from '@rescind/dev-fleet';
import type { MetricName } from '@rescind/revocation/metrics';
import { waitFor } from '../../support/wait.ts';
import { clockMs } from './arrivals.ts';

/** The wait between two requests to one instance. */
const ASK_AGAIN_MS = 2;
const REFUSED_LIMIT_MS = 60_000;
/** The longest wait: a fallback transport may be read for 5 minutes. */
const CALM_LIMIT_MS = 330_000;

const PRELOAD = fileURLToPath(new URL('preload-issuer.mjs', import.meta.url));

/** A fleet of processes whose issuer loads `preload-issuer.mjs`. */
export function openBenchFleet(options: FleetOptions): Promise<Fleet> {
  const issuerEnvironment = { NODE_OPTIONS: `--import=${PRELOAD}`, ...options.issuerEnvironment };
  return openFleet({ ...options, environment: { NODE_ENV: 'production' }, issuerEnvironment });
}

/** A check of /readyz by its name, or undefined. */
export async function checkOf(service: ServiceProcess, name: string) {
  const { checks = [] } = (await service.health()).body;
  return checks.find((check) => check.name === name);
}

/** Waits until every instance reads Kafka, lacks nothing and has a standby stream, on which nothing is delivered. */
export async function untilCalm({ issuer, instances }: Fleet): Promise<void> {
  const isCalm = async (instance: ServiceProcess) => {
    const [feed, http] = [await checkOf(instance, 'feed'), await checkOf(instance, 'transport_http')];
    return feed?.status === 'pass' && feed.transport === 'kafka' && feed.lag === 0 && http?.state === 'standby';
  };
  const isRelayCalm = async () => {
    const relay = await checkOf(issuer, 'relay');
    return relay?.status === 'pass' && relay.standbyDelivery === false && relay.lagEvents === 0;
  };
  await waitFor(
    'the fleet is calm',
    async () => (await isRelayCalm()) && (await Promise.all(instances.map(isCalm))).every(Boolean),
    CALM_LIMIT_MS,
  );
}

/**
 * The sum of a counter or gauge over these processes and its labels, or over those lines that have this one
 * (`reason="gap"`). @throws Error when one does not have the metric
 */
export async function sumOf(services: readonly ServiceProcess[], metric: MetricName, label = ''): Promise<number> {
  const sums = services.map(async ({ managementUrl, name }) => {
    const { body } = await request(`${managementUrl}/metrics`);
    const lines = String(body).split('\n');
    if (!lines.some((line) => line.startsWith(`# TYPE ${metric} `))) throw new Error(`${name} has no ${metric}`);
    return lines
      .filter((line) => line.startsWith(`${metric} `) || line.startsWith(`${metric}{`))
      .filter((line) => line.includes(label))
      .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0);
  });
  return (await Promise.all(sums)).reduce((sum, one) => sum + one, 0);
}

/** Logs out, asks every instance with the token without pause, and gives the ms from the answer until the last one refuses. */
export async function refusedAfter({ client, instances }: Fleet, token: string): Promise<number> {
  const { status } = await client.logout(token);
  const answered = clockMs();
  if (status !== 204) throw new Error(`the logout answered ${status}`);
  const refusals = instances.map(async (instance) => {
    while ((await request(protectedUrl(instance), bearer(token))).status !== 401) {
      if (clockMs() - answered > REFUSED_LIMIT_MS) throw new Error(`${instance.name} does not refuse`);
      await new Promise((resolve) => setTimeout(resolve, ASK_AGAIN_MS));
    }
    return clockMs() - answered;
  });
  return Math.max(...(await Promise.all(refusals)));
}

/** A login of a user, whose access token every instance accepts. */
export async function acceptedToken({ client, instances }: Fleet, user: User): Promise<string> {
  const { access_token: token } = await client.login(user, 'bench');
  for (const instance of instances) {
    const { status } = await request(protectedUrl(instance), bearer(token));
    if (status !== 200) throw new Error(`${instance.name} answers ${status} to a new token`);
  }
  return token;
}
