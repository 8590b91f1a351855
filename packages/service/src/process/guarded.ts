import type { HealthCheck, Telemetry } from '@rescind/revocation';
import type { Express } from 'express';
import type { GuardConfiguration, ProcessConfiguration } from '../configuration/settings.ts';
import { guardOptions } from '../configuration/settings.ts';
import type { ConfiguredTransport } from '../configuration/transports.ts';
import { configuredFeed } from '../configuration/transports.ts';
import type { Explain } from './management.ts';
import { reloadedText } from './reloads.ts';
import type { OpenedParts, ServiceContext } from './service.ts';

/** The part of `Guard` of @rescind/guard that the process uses. */
interface ProcessGuard extends AsyncDisposable {
  ready(): Promise<void>;
  health(): HealthCheck[];
  explain: Explain;
}

/** The configuration of a guarded service. */
type GuardedConfiguration = ProcessConfiguration & GuardConfiguration;

/**
 * The parts of a guarded service that it brings itself: transports, guard and routes.
 * @typeParam C its configuration @typeParam W a transport of @rescind/feed
 */
export interface GuardedService<C, W, G extends ProcessGuard> {
  /** In the order of preference; the configuration selects from them. */
  readonly transports: readonly ConfiguredTransport<C, W>[];
  /** `createGuard` of @rescind/guard. */
  createGuard(
    options: ReturnType<typeof guardOptions> & {
      readonly feed: { readonly primary: W; readonly fallback?: W };
      readonly instance: { readonly name?: string; readonly version: string };
      readonly telemetry: Telemetry;
    },
  ): G;
  createApp(guard: G): Express;
}

/**
 * Opens a guarded service by its configuration, which selects the transports of the log. A change of the file of FEED_CLIENT_SECRET
 * takes effect at the next request to the issuer.
 */
export async function openGuarded<C extends GuardedConfiguration, W, G extends ProcessGuard>(
  { configuration, version, telemetry, keep, reloads }: ServiceContext<C>,
  { transports, createGuard, createApp }: GuardedService<C, W, G>,
): Promise<OpenedParts> {
  const clientSecret = reloadedText(reloads, configuration, 'FEED_CLIENT_SECRET');
  const feed = await configuredFeed(transports, { configuration, telemetry, clientSecret });
  const { INSTANCE_NAME: name } = configuration;
  const instance = { version, ...(name === undefined ? {} : { name }) };
  const guard = keep(createGuard({ ...guardOptions(configuration, clientSecret), feed, instance, telemetry }));
  return {
    app: createApp(guard),
    ready: guard.ready(),
    health: () => guard.health(),
    explain: configuration.MANAGEMENT_EXPLAIN ? (tokenOrClaims) => guard.explain(tokenOrClaims) : undefined,
  };
}
