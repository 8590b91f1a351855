import type { ErrorCode, HealthCheck } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import { parseCompactJws } from '@rescind/token';
import type { Decider, Decision, Refused } from './decision.ts';
import { unavailable, wantsIntrospection } from './decision.ts';
import type { Introspection } from './introspection/open.ts';
import { openIntrospection } from './introspection/open.ts';
import type { IntrospectionAnswer } from './introspection/request.ts';
import type { GuardSettings } from './options.ts';
import type { RoutePolicy } from './route.ts';
import { requireIntrospection } from './route.ts';
import type { FailureLog } from './trouble.ts';

/** New keys may make another decision of these. */
const KEYS_MAY_HELP: ReadonlySet<ErrorCode> = new Set(['token_key_unknown', 'token_signature_wrong']);

/** What a decision may take that is not known here. */
export interface Online {
  /** Whether asking somebody may make another decision of this one. */
  wants(decision: Decision): boolean;
  /** Asks, and decides again by `again`. Never rejects. */
  ask(token: string, first: Decision, again: () => Decision): Promise<Decision>;
  /** @throws TypeError for a route that wants an issuer to be asked when none can be */
  requireRoute(route: RoutePolicy): void;
  health(): HealthCheck[];
  /** Sets gauges: to be called every second or so. */
  measure(): void;
  close(): void;
}

export interface OnlineParts {
  readonly settings: GuardSettings;
  readonly decider: Decider;
  readonly trouble: FailureLog;
}

export function createOnline({ settings, decider, trouble }: OnlineParts): Online {
  const introspections = openIntrospections(settings, trouble);
  const wantsKeys = (decision: Decision) => !decision.accepted && KEYS_MAY_HELP.has(decision.error.code);

  async function introspect(token: string): Promise<Decision> {
    const introspection = introspections.get(decider.trustedOf(token).settings.issuer);
    if (introspection === undefined) return refused(unavailable('introspection_unavailable', 'it is not configured'));
    let answer: IntrospectionAnswer;
    try {
      answer = await introspection.ask(token);
    } catch (error) {
      // Closed, not open: an issuer that does not answer has not said that the token is active.
      return refused(unavailable('introspection_unavailable', error instanceof Error ? error.message : undefined));
    }
    // Time has passed, and a cut-off may have come: what is known here has the last word.
    if (answer === 'active') return decider.decideIntrospected(token);
    return refused(new RescindError(answer === 'bound' ? 'token_sender_constrained' : 'token_inactive'));
  }

  async function askKeys(token: string, first: Refused, again: () => Decision): Promise<Decision> {
    const { kid, alg } = parseCompactJws(token, { maxBytes: token.length }).header;
    const { keys, settings: issuer } = decider.trustedOf(token);
    if (first.error.code === 'token_key_unknown') return (await keys.ensure(kid, alg)) ? again() : first;
    // An algorithm that is not taken is refused whatever the key. No signature is computed twice with the same key.
    const mayBeOld = issuer.algorithms.some((one) => one === alg);
    return mayBeOld && (await keys.renew(kid, alg)) ? again() : first;
  }

  return {
    requireRoute: (route) => requireIntrospection(route, settings.issuers),
    wants: (decision) => wantsKeys(decision) || wantsIntrospection(decision),
    async ask(token, first, again) {
      const decision = !first.accepted && wantsKeys(first) ? await askKeys(token, first, again) : first;
      return wantsIntrospection(decision) ? introspect(token) : decision;
    },
    measure() {
      for (const one of introspections.values()) one.measure();
    },
    health: () => [...introspections.values()].flatMap((one) => one.health()),
    close() {
      for (const one of introspections.values()) one.close();
    },
  };
}

function openIntrospections(
  { issuers, fetch, clock, telemetry }: GuardSettings,
  trouble: FailureLog,
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
