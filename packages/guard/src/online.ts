import type { ErrorCode, HealthCheck } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import { parseCompactJws } from '@rescind/token';
import type { Decider, Decision, Refused } from './decision.ts';
import { needsIntrospection, unavailable } from './decision.ts';
import type { FailureLog } from './failure-log.ts';
import type { Introspection } from './introspection/introspection.ts';
import { openIntrospection } from './introspection/introspection.ts';
import type { IntrospectionAnswer } from './introspection/request.ts';
import type { GuardSettings } from './options.ts';
import type { RoutePolicy } from './route.ts';
import { requireIntrospection } from './route.ts';

/** Refusals that may change with newly fetched keys. */
const KEYS_MAY_HELP: ReadonlySet<ErrorCode> = new Set(['token_key_unknown', 'token_signature_wrong']);

/** The part of a decision that requires the network: keys that are not known yet, and introspection. */
export interface Online {
  /** Whether keys or introspection may change this decision. */
  mayChange(decision: Decision): boolean;
  /** Fetches keys or introspects, and decides again by `again`. Never rejects. */
  ask(token: string, first: Decision, again: () => Decision): Promise<Decision>;
  /** @throws TypeError for a route that requires introspection if no issuer has it */
  requireRoute(route: RoutePolicy): void;
  health(): HealthCheck[];
  /** Sets gauges. The guard calls it every second. */
  measure(): void;
  close(): void;
}

export interface OnlineParts {
  readonly settings: GuardSettings;
  readonly decider: Decider;
  readonly logFailure: FailureLog;
}

export function createOnline({ settings, decider, logFailure }: OnlineParts): Online {
  const introspections = openIntrospections(settings, logFailure);
  const needsKeys = (decision: Decision) => !decision.accepted && KEYS_MAY_HELP.has(decision.error.code);

  async function introspect(token: string): Promise<Decision> {
    const introspection = introspections.get(decider.trustedOf(token).settings.issuer);
    if (introspection === undefined) return refused(unavailable('introspection_unavailable', 'it is not configured'));
    let answer: IntrospectionAnswer;
    try {
      answer = await introspection.introspect(token);
    } catch (error) {
      // Fails closed: without a response the token is not known to be active.
      return refused(unavailable('introspection_unavailable', error instanceof Error ? error.message : undefined));
    }
    // A cut-off may have arrived during the request, so the rows decide again.
    if (answer === 'active') return decider.decideIntrospected(token);
    return refused(new RescindError(answer === 'bound' ? 'token_sender_constrained' : 'token_inactive'));
  }

  async function fetchKeys(token: string, first: Refused, again: () => Decision): Promise<Decision> {
    const { kid, alg } = parseCompactJws(token, { maxBytes: token.length }).header;
    const { keys, settings: issuer } = decider.trustedOf(token);
    if (first.error.code === 'token_key_unknown') return (await keys.ensure(kid, alg)) ? again() : first;
    // An algorithm that is not accepted is refused whatever the key. No signature is verified twice with the same key.
    const mayBeOld = issuer.algorithms.some((one) => one === alg);
    return mayBeOld && (await keys.renew(kid, alg)) ? again() : first;
  }

  return {
    requireRoute: (route) => requireIntrospection(route, settings.issuers),
    mayChange: (decision) => needsKeys(decision) || needsIntrospection(decision),
    async ask(token, first, again) {
      const decision = !first.accepted && needsKeys(first) ? await fetchKeys(token, first, again) : first;
      return needsIntrospection(decision) ? introspect(token) : decision;
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
  logFailure: FailureLog,
): Map<string, Introspection> {
  const [own] = issuers;
  const opened = new Map<string, Introspection>();
  for (const issuer of issuers) {
    const name = issuer === own ? 'introspection' : `introspection ${issuer.issuer}`;
    const parts = { name, issuer, fetch, clock, telemetry, logFailure };
    if (issuer.introspection === undefined) continue;
    opened.set(issuer.issuer, openIntrospection(issuer.introspection, parts));
  }
  return opened;
}

const refused = (error: RescindError): Decision => ({ accepted: false, error });
