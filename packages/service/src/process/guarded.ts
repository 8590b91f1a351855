import type { HealthCheck, Telemetry } from '@rescind/revocation';
import type { Express } from 'express';
import type { ConfiguredTransport } from '../configuration/feed.ts';
import { configuredFeed } from '../configuration/feed.ts';
import type { GuardConfiguration } from '../configuration/guard.ts';
import { guardOptions } from '../configuration/guard.ts';
import type { ProcessConfiguration } from '../configuration/process.ts';
import type { Explain } from './explain.ts';
import { reloadedText } from './reloads.ts';
import type { OpenedParts, ServiceContext } from './service.ts';

/** `Guard` of @rescind/guard, as far as the process uses it. */
interface ProcessGuard extends AsyncDisposable {
  ready(): Promise<void>;
  health(): HealthCheck[];
  explain: Explain;
}

/** What the variables of a guarded service are read into. */
type GuardedConfiguration = ProcessConfiguration & GuardConfiguration;

/**
 * The libraries of a guarded service, and its routes.
 * @typeParam C its configuration @typeParam W a transport of @rescind/feed
 */
export interface GuardedService<C, W, G extends ProcessGuard> {
  /** In the order of preference; those count that the configuration asks for. */
  readonly transports: readonly ConfiguredTransport<C, W>[];
  /** `openGuard` of @rescind/guard. */
  openGuard(
    options: ReturnType<typeof guardOptions> & {
      readonly feed: { readonly first: W; readonly second?: W };
      readonly telemetry: Telemetry;
    },
  ): G;
  createApp(guard: G): Express;
}

/**
 * Opens a service that is guarded as its variables say: the log comes by the transports that they ask for. A change of the
 * file of FEED_CLIENT_SECRET takes effect at the next request to the issuer.
 */
export async function openGuarded<C extends GuardedConfiguration, W, G extends ProcessGuard>(
  { configuration, telemetry, keep, reloads }: ServiceContext<C>,
  { transports, openGuard, createApp }: GuardedService<C, W, G>,
): Promise<OpenedParts> {
  const clientSecret = reloadedText(reloads, configuration, 'FEED_CLIENT_SECRET');
  const feed = await configuredFeed(transports, { configuration, telemetry, clientSecret });
  const guard = keep(openGuard({ ...guardOptions(configuration, clientSecret), feed, telemetry }));
  return {
    app: createApp(guard),
    ready: guard.ready(),
    health: () => guard.health(),
    explain: configuration.MANAGEMENT_EXPLAIN ? (given) => guard.explain(given) : undefined,
  };
}
