import { RescindError } from '@rescind/revocation';
import type { IssuerOptions } from '../issuer.ts';
import type { RegisteredClient, ResourceServer } from '../issuer-clients.ts';

/** The `aud` of one access token. */
export type Audience = string | readonly string[];

interface AudienceRequest {
  /** `resource` of the request (RFC 8707 section 2); absent: the client named none. */
  readonly requested: readonly string[] | undefined;
  /** The audience where the client names none; null: every audience of the client that shares its tokens. */
  readonly usual: Audience | null;
  readonly client: RegisteredClient;
}

/** Decides which audiences an access token may have, and which scopes belong to them. */
export interface AudiencePolicy {
  /** @throws RescindError `target_invalid` */
  choose(request: AudienceRequest): Audience;
  /** Returns those of the scopes that a token for this audience may have. */
  scopesFor(audience: Audience, scopes: readonly string[]): string[];
  /** Whether the host declares its audiences (`IssuerOptions.resources`). */
  readonly isLimited: boolean;
  /** Returns those of the audiences that the host does not declare. */
  unknown(audiences: readonly string[]): string[];
}

/**
 * @param resources the resource servers there are now; absent: every audience is one, and none has scopes of its own
 */
export function createAudiencePolicy(resources: IssuerOptions['resources']): AudiencePolicy {
  const serversNow = () => resources?.();

  return {
    isLimited: resources !== undefined,

    choose({ requested, usual, client }) {
      const servers = serversNow();
      const known = servers?.map(({ audience }) => audience) ?? client.audience ?? [usual ?? []].flat();
      const registered = known.filter((one) => client.audience?.includes(one) ?? true);
      const ofOneTokenOnly = new Set(servers?.filter(hasOwnScopes).map(({ audience }) => audience));

      if (requested === undefined) {
        const shared = registered.filter((one) => !ofOneTokenOnly.has(one));
        const left = usual === null ? shared : [usual].flat().filter((one) => registered.includes(one));
        if (left.length === 0) throw targetInvalid(registered);
        return typeof usual === 'string' ? usual : left;
      }
      const resources = [...new Set(requested)];
      const [only, another] = resources;
      const isAlone = another === undefined || !resources.some((one) => ofOneTokenOnly.has(one));
      if (only === undefined || !isAlone || !resources.every((one) => registered.includes(one))) {
        throw targetInvalid(registered);
      }
      return another === undefined ? only : resources;
    },

    scopesFor(audience, scopes) {
      const owners = serversNow()?.filter(hasOwnScopes) ?? [];
      const owner = owners.find((server) => [audience].flat().includes(server.audience));
      if (owner !== undefined) return scopes.filter((scope) => isOwn(owner, scope));
      return scopes.filter((scope) => !owners.some((server) => isOwn(server, scope)));
    },

    unknown(audiences) {
      const known = serversNow()?.map(({ audience }) => audience);
      return known === undefined ? [] : audiences.filter((one) => !known.includes(one));
    },
  };
}

const hasOwnScopes = ({ ownScopes }: ResourceServer) => ownScopes !== undefined;

/** `admin:*` is every scope that begins with `admin:`. */
function isOwn({ ownScopes = [] }: ResourceServer, scope: string): boolean {
  return ownScopes.some((own) => (own.endsWith('*') ? scope.startsWith(own.slice(0, -1)) : scope === own));
}

/** RFC 8707 section 2. The audiences a client is registered for are no secret from it. */
function targetInvalid(registered: readonly string[]): RescindError {
  const which = registered.length === 0 ? 'the client is registered for none' : `one of ${registered.join(', ')}`;
  return new RescindError('target_invalid', { publicDetail: `resource: ${which}` });
}

/** RFC 6749 section 3.3: `scope-token`s, each once, in their order. */
export function parseScope(text: string): string[] {
  return [...new Set(text.split(' ').filter((token) => token !== ''))];
}

/** The requested scope, if all of it is allowed. @throws RescindError `scope_invalid` */
export function requireWithin(requested: string, allowed: readonly string[]): string[] {
  const tokens = parseScope(requested);
  if (tokens.every((token) => allowed.includes(token))) return tokens;
  throw new RescindError('scope_invalid');
}

/**
 * The scope of a session now: what the login requested (null: everything) and the subject still has. A role that
 * was taken away narrows it without an error.
 */
export function presentScope(requested: string | null, subjectScope: readonly string[]): string[] {
  return requested === null ? [...subjectScope] : parseScope(requested).filter((token) => subjectScope.includes(token));
}
