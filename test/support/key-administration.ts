import type { Fleet, Tokens, User } from '@rescind/dev-fleet';
import { request } from '@rescind/dev-fleet';
import { basicAuthorization } from '@rescind/revocation/http';
import { verdictOf } from './fleet.ts';
import { waitFor } from './wait.ts';

type Purpose = 'token' | 'event';

interface Key {
  readonly kid: string;
  readonly purpose: Purpose;
  readonly alg: string;
  readonly state: 'next' | 'active' | 'former' | 'revoked';
}

/** The keys of a fleet's issuer, by its administrator's API. */
export interface KeyAdministration {
  list(): Promise<Key[]>;
  active(purpose: Purpose): Promise<string>;
  /** Publishes a key, and waits until it signs. */
  rotate(purpose: Purpose, alg?: string): Promise<string>;
  revoke(kid: string): Promise<{ readonly signingKid: string; readonly revokedKids: readonly string[] }>;
}

/** @param confirmed false for an issuer of the version before, which does not know `confirm` */
export function administerKeys({ adminUrl, operator }: Fleet, confirmed = true): KeyAdministration {
  const authorization = basicAuthorization(operator.name, operator.secret);

  async function ask<T>(path: string, body?: object): Promise<T> {
    const answer = await request(`${adminUrl}/admin/keys${path}`, {
      headers: { authorization, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { method: 'POST', body: JSON.stringify({ ...body, why: 'a test' }) }),
    });
    if (answer.status >= 300) throw new Error(`/admin/keys${path} answered ${JSON.stringify(answer.body)}`);
    return answer.body as T;
  }

  const list = async () => (await ask<{ items: Key[] }>('')).items;
  const active = async (purpose: Purpose) =>
    String((await list()).find((key) => key.purpose === purpose && key.state === 'active')?.kid);
  return {
    list,
    active,
    async rotate(purpose, alg) {
      const { kid } = await ask<Key>('/rotate', { purpose, ...(alg === undefined ? {} : { alg }) });
      await waitFor('the next key signs', async () => (await active(purpose)) === kid, 60_000);
      return kid;
    },
    revoke: (kid) => ask(`/${kid}/revoke`, { reason: 'key_compromised', ...(confirmed && { confirm: 'everybody' }) }),
  };
}

export function kidOf(token: string): string {
  return JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString('utf8')).kid;
}

/** Users who log in, refresh and log out during a test. */
export interface Life {
  /** Descriptions of all refusals; must stay empty. */
  readonly refused: readonly string[];
  requests(): number;
  /** Access tokens of sessions that were logged out, each acknowledged. */
  readonly loggedOut: readonly string[];
  /** The kids of the keys that signed the issued tokens. */
  readonly kids: ReadonlySet<string>;
  stop(): Promise<void>;
}

/** Refreshes these sessions repeatedly, and sends each newest token to every instance; other users log in and out. */
export function live({ client, instances }: Fleet, user: User, sessions: readonly Tokens[]): Life {
  const refused: string[] = [];
  const loggedOut: string[] = [];
  const kids = new Set<string>();
  let requests = 0;
  let over = false;

  async function use(token: string): Promise<void> {
    kids.add(kidOf(token));
    for (const instance of instances) {
      const verdict = await verdictOf(instance, token);
      requests += 1;
      if (verdict !== '200') refused.push(`${instance.name}: ${verdict} (${kidOf(token)})`);
    }
  }

  async function stay({ refresh_token }: Tokens): Promise<void> {
    for (let refreshToken = refresh_token; !over; ) {
      const { status, body } = await client.refresh(refreshToken);
      if (status !== 200) {
        refused.push(`refresh: ${JSON.stringify(body)}`);
        return;
      }
      const tokens = body as Tokens;
      refreshToken = tokens.refresh_token;
      await use(tokens.access_token);
    }
  }

  async function comeAndGo(): Promise<void> {
    while (!over) {
      const { access_token } = await client.login(user, 'a guest');
      await use(access_token);
      const { status } = await client.logout(access_token);
      if (status === 204) loggedOut.push(access_token);
      else refused.push(`logout: ${status}`);
    }
  }

  const running = Promise.all([...sessions.map(stay), comeAndGo()]);
  return {
    refused,
    loggedOut,
    kids,
    requests: () => requests,
    async stop() {
      over = true;
      await running;
    },
  };
}
