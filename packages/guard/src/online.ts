import type { HealthCheck } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import { gate } from '@rescind/token';
import type { Decider, Decision } from './decision.ts';
import { unavailable, wantsIntrospection } from './decision.ts';
import type { Introspection } from './introspection/open.ts';
import { openIntrospection } from './introspection/open.ts';
import type { GuardSettings } from './options.ts';
import type { RoutePolicy } from './route.ts';
import { requireIntrospection } from './route.ts';
import type { TroubleLog } from './trouble.ts';

/** What a decision may take that is not known here. */
export interface Online {
  /** Whether asking somebody may make another decision of this one. */
  wants(decision: Decision): boolean;
  /** Asks, and decides again by `again`. Never rejects. */
  ask(token: string, first: Decision, again: () => Decision): Promise<Decision>;
  /** @throws TypeError for a route that wants an issuer to be asked when none can be */
  requireRoute(route: RoutePolicy): void;
  health(): HealthCheck[];
  close(): void;
}

export interface OnlineParts {
  readonly settings: GuardSettings;
  readonly decider: Decider;
  readonly trouble: TroubleLog;
}

export function createOnline({ settings, decider, trouble }: OnlineParts): Online {
  const introspections = openIntrospections(settings, trouble);
  const wantsKeys = (decision: Decision) => !decision.accepted && decision.error.code === 'token_key_unknown';

  async function introspect(token: string): Promise<Decision> {
    const introspection = introspections.get(decider.trustedOf(token).settings.issuer);
    if (introspection === undefined) return refused(unavailable('introspection_unavailable', 'it is not configured'));
    let active: boolean;
    try {
      active = await introspection.isActive(token);
    } catch (error) {
      // Closed, not open: an issuer that does not answer has not said that the token is active.
      return refused(unavailable('introspection_unavailable', error instanceof Error ? error.message : undefined));
    }
    // Time has passed, and a cut-off may have come: what is known here has the last word.
    return active ? decider.decideIntrospected(token) : refused(new RescindError('token_inactive'));
  }

  async function askKeys(token: string, again: () => Decision): Promise<Decision> {
    const { header } = gate(token, { maxBytes: token.length });
    await decider.trustedOf(token).keys.ensure(header.kid ?? '');
    return again();
  }

  return {
    requireRoute: (route) => requireIntrospection(route, settings.issuers),
    wants: (decision) => wantsKeys(decision) || wantsIntrospection(decision),
    async ask(token, first, again) {
      const decision = wantsKeys(first) ? await askKeys(token, again) : first;
      return wantsIntrospection(decision) ? introspect(token) : decision;
    },
    health: () => [...introspections.values()].flatMap((one) => one.health()),
    close() {
      for (const one of introspections.values()) one.close();
    },
  };
}

function openIntrospections(
  { issuers, fetch, clock, telemetry }: GuardSettings,
  trouble: TroubleLog,
): Map<string, Introspection> {
  const [own] = issuers;
  const opened = new Map<string, Introspection>();
  for (const issuer of issuers) {
    const name = issuer === own ? 'introspection' : `introspection ${issuer.issuer}`;
    const parts = { name, issuer, fetch, clock, telemetry, trouble };
    if (issuer.introspection === undefined) continue;
    opened.set(issuer.issuer, openIntrospection(issuer.introspection, parts));
  }
  return opened;
}

const refused = (error: RescindError): Decision => ({ accepted: false, error });
