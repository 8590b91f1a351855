import type { RoutePolicy } from '@rescind/guard';
import { RescindError } from '@rescind/revocation';

/** What a check requires of a token. Every member makes a check stricter: none can widen another. */
export interface Requirements {
  /** All of these. */
  readonly scopes?: readonly string[] | undefined;
  /** `aud` has all of these. */
  readonly audiences?: readonly string[] | undefined;
  /** `acr` is one of these (RFC 9470). */
  readonly acrValues?: readonly string[] | undefined;
  /** RFC 9470, in seconds. */
  readonly maxAuthAgeSeconds?: number | undefined;
}

/** The policy of the guard for these requirements, and for scopes that every check requires. */
export function toPolicy(
  { scopes = [], audiences = [], acrValues, maxAuthAgeSeconds }: Requirements,
  always: readonly string[],
): RoutePolicy {
  const all = [...new Set([...always, ...scopes])];
  return {
    ...(all.length > 0 && { scopes: all }),
    ...(acrValues !== undefined && { acrValues }),
    ...(maxAuthAgeSeconds !== undefined && { maxAuthAgeSeconds }),
    ...(audiences.length > 0 && { claimCheck: requireAudiences(audiences) }),
  };
}

/** Of a token that is good for the gate, and not for the service that this check is for. */
function requireAudiences(audiences: readonly string[]): NonNullable<RoutePolicy['claimCheck']> {
  return ({ aud }) => {
    const held: readonly unknown[] = Array.isArray(aud) ? aud : [aud];
    if (!audiences.every((audience) => held.includes(audience))) throw new RescindError('token_audience_wrong');
    return true;
  };
}

const SCOPE = /^[\x21\x23-\x5b\x5d-\x7e]+$/;
const AGE = /^(0|[1-9]\d{0,8})$/;

/**
 * Reads the requirements of a check URL: `scope`, `audience` and `acr` (values separated by spaces, or repeated), and `max_age`, once.
 * @throws RescindError `configuration_invalid` for any other parameter, an empty one, and a value that is none: whoever wrote the URL expects
 * a requirement
 */
export function readRequirements(query: string): Requirements {
  const parameters = new URLSearchParams(query);
  const unknown = [...parameters.keys()].find((name) => !['scope', 'audience', 'acr', 'max_age'].includes(name));
  if (unknown !== undefined)
    throw invalid(`${JSON.stringify(unknown.slice(0, 40))} is not scope, audience, acr or max_age`);
  const [maxAge, ...more] = parameters.getAll('max_age');
  if (more.length > 0 || (maxAge !== undefined && !AGE.test(maxAge)))
    throw invalid('max_age must be whole seconds, once');
  return {
    scopes: valuesOf(parameters, 'scope'),
    audiences: valuesOf(parameters, 'audience'),
    acrValues: valuesOf(parameters, 'acr'),
    maxAuthAgeSeconds: maxAge === undefined ? undefined : Number(maxAge),
  };
}

function valuesOf(parameters: URLSearchParams, name: string): string[] | undefined {
  const repeated = parameters.getAll(name);
  if (repeated.length === 0) return undefined;
  const values = repeated.flatMap((value) => value.split(' '));
  if (!values.every((value) => SCOPE.test(value))) {
    throw invalid(`${name} must have values of visible ASCII without " and \\, separated by one space`);
  }
  return values;
}

const invalid = (detail: string) => new RescindError('configuration_invalid', { detail: `the check URL: ${detail}` });
