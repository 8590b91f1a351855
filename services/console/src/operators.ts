import { createHash, randomBytes } from 'node:crypto';
import type { Clock, Telemetry } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import { z } from 'zod';
import type { UpstreamResponse } from './upstream.ts';
import { callUpstream, codeOf, jsonOf } from './upstream.ts';

/** What an operator enters. The names of members are those of `POST /login`. */
interface OperatorCredentials {
  readonly username: string;
  readonly password: string;
  readonly totp?: string | undefined;
  readonly recoveryCode?: string | undefined;
}

/** The session of an operator in this process. Its tokens never reach the browser. */
export interface OperatorSession {
  /** An access token for the administration that has not expired. @throws RescindError `operator_session_missing`, `issuer_unreachable` */
  token(): Promise<string>;
  /** Forgets an access token that the issuer has refused. The next call of `token` requests another by the refresh token. */
  forgetToken(token: string): void;
  /** Authenticates again: the issuer records a recent login. @returns the refusal; undefined: it is done */
  stepUp(credentials: Omit<OperatorCredentials, 'username'>): Promise<UpstreamResponse | undefined>;
  /**
   * Ends the session here at once, and at the issuer; while the issuer does not respond, that is tried again in the background.
   * @throws RescindError `issuer_unreachable`
   */
  logout(): Promise<void>;
  /** Aborts when the session has ended here. */
  readonly ended: AbortSignal;
}

/** The operators who are logged in. */
export interface Operators {
  /** @returns the secret of the cookie, or the refusal of the issuer */
  login(
    credentials: OperatorCredentials,
    origin: { readonly userAgent: string | undefined; readonly address: string | undefined },
  ): Promise<{ readonly secret: string } | { readonly refusal: UpstreamResponse }>;
  /** The session of a cookie's secret; undefined: there is none. */
  find(secret: string | undefined): OperatorSession | undefined;
}

export interface OperatorsOptions {
  /** The address of user-management. */
  readonly issuerUrl: string;
  readonly clientId: string;
  readonly adminAudience: string;
  readonly accountAudience: string;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
}

const tokensSchema = z.object({
  access_token: z.string(),
  refresh_token: z.string().optional(),
  expires_in: z.number(),
  scope: z.string().optional(),
});

/** The tokens of a session. An empty access token: the next call requests one. */
interface HeldTokens {
  access: string;
  refresh: string;
  /** Monotonic, ms. */
  renewAt: number;
}

/** How often, and how many times, an end that the issuer has not received is sent again. */
const REVOKE_AGAIN_MS = 3_000;
const MAX_REVOCATIONS = 1_200;

/** The most sessions that are held. Beyond it the oldest session is logged out. */
const MAX_SESSIONS = 1_000;

const digest = (secret: string) => createHash('sha256').update(secret).digest('base64url');

/** Keeps the tokens of operators in memory, by the digest of a secret that their browser has in a cookie. */
export function createOperators(options: OperatorsOptions): Operators {
  const { issuerUrl, clientId, adminAudience, accountAudience, clock, telemetry } = options;
  const sessions = new Map<string, OperatorSession>();

  const requestToken = (refresh: string, resource: string) =>
    callUpstream(`${issuerUrl}/oauth2/token`, {
      method: 'POST',
      body: new URLSearchParams({
        grant_type: 'refresh_token',
        refresh_token: refresh,
        client_id: clientId,
        resource,
      }),
    });

  function createSession(id: string, held: HeldTokens): OperatorSession {
    const ended = new AbortController();
    let queue: Promise<unknown> = Promise.resolve();

    const end = () => {
      sessions.delete(id);
      ended.abort();
    };
    /** One at a time: a refresh token is valid once. */
    const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
      const result = queue.then(work);
      queue = result.catch(() => undefined);
      return result;
    };
    const exchange = async (resource: string): Promise<string> => {
      // Tokens of a session that has ended while a call waited would outlive it.
      if (ended.signal.aborted) throw new RescindError('operator_session_missing');
      const response = await requestToken(held.refresh, resource);
      const tokens = tokensSchema.safeParse(jsonOf(response.text));
      if (response.status === 200 && tokens.success) {
        held.refresh = tokens.data.refresh_token ?? held.refresh;
        if (resource === adminAudience) {
          held.access = tokens.data.access_token;
          held.renewAt = clock.monotonic() + (tokens.data.expires_in * 1_000) / 2;
        }
        return tokens.data.access_token;
      }
      if (response.status >= 500 || response.status === 429) throw new RescindError('issuer_unreachable');
      telemetry.log('info', 'operator_session_ended', { code: codeOf(response) });
      end();
      throw new RescindError('operator_session_missing');
    };

    const revoke = async (): Promise<void> => {
      const { status } = await callUpstream(`${issuerUrl}/oauth2/revoke`, {
        method: 'POST',
        body: new URLSearchParams({ token: held.refresh, client_id: clientId }),
      });
      if (status >= 500 || status === 429) throw new RescindError('issuer_unreachable');
      telemetry.log('info', 'operator_logged_out');
    };
    const revokeLater = (left: number): void => {
      if (left === 0) telemetry.log('warn', 'operator_logout_failed');
      else setTimeout(() => inTurn(revoke).catch(() => revokeLater(left - 1)), REVOKE_AGAIN_MS).unref();
    };

    const token = async () => {
      if (ended.signal.aborted) throw new RescindError('operator_session_missing');
      if (held.access !== '' && clock.monotonic() < held.renewAt) return held.access;
      return inTurn(async () =>
        held.access !== '' && clock.monotonic() < held.renewAt ? held.access : exchange(adminAudience),
      );
    };

    return {
      ended: ended.signal,
      token,
      forgetToken(refused) {
        if (held.access === refused) held.access = '';
      },
      stepUp: (credentials) =>
        inTurn(async () => {
          const account = await exchange(accountAudience);
          const response = await callUpstream(`${issuerUrl}/reauthenticate`, {
            method: 'POST',
            token: account,
            body: JSON.stringify(credentials),
          });
          // Earlier tokens of the session are denied from then on.
          held.access = '';
          if (response.status !== 200) return response;
          await exchange(adminAudience);
          return undefined;
        }),
      async logout() {
        end();
        try {
          await inTurn(revoke);
        } catch (error) {
          revokeLater(MAX_REVOCATIONS);
          throw error;
        }
      },
    };
  }

  return {
    async login(credentials, { userAgent, address }) {
      const response = await callUpstream(`${issuerUrl}/login`, {
        method: 'POST',
        headers: {
          ...(userAgent === undefined ? {} : { 'User-Agent': userAgent.slice(0, 256) }),
          // Counts there if this service is one of its `TRUSTED_PROXIES`.
          ...(address === undefined ? {} : { 'X-Forwarded-For': address }),
        },
        body: JSON.stringify({
          ...credentials,
          client_id: clientId,
          deviceName: 'Console',
          resource: [adminAudience],
        }),
      });
      const tokens = tokensSchema.safeParse(jsonOf(response.text));
      if (response.status !== 200 || !tokens.success) {
        telemetry.log('warn', 'authn_login_fail', { code: codeOf(response) });
        return { refusal: response };
      }
      const { access_token: access, refresh_token: refresh = '', expires_in: seconds, scope = '' } = tokens.data;
      const secret = randomBytes(32).toString('base64url');
      const id = digest(secret);
      const session = createSession(id, { access, refresh, renewAt: clock.monotonic() + (seconds * 1_000) / 2 });
      if (!`${scope} ${scopeOf(access)}`.split(' ').some((one) => one.startsWith('admin:'))) {
        await session.logout().catch(() => undefined);
        throw new RescindError('operator_not_permitted');
      }
      sessions.set(id, session);
      const [oldest] = sessions.keys();
      if (sessions.size > MAX_SESSIONS && oldest !== undefined)
        void sessions
          .get(oldest)
          ?.logout()
          .catch(() => undefined);
      telemetry.log('info', 'authn_login_success');
      return { secret };
    },
    find: (secret) => (secret === undefined ? undefined : sessions.get(digest(secret))),
  };
}

/** Sends a request to the administration as an operator; a token that the issuer refuses is renewed once. */
export async function callAsOperator(
  session: OperatorSession,
  url: string,
  request: Omit<Parameters<typeof callUpstream>[1], 'token'>,
): Promise<UpstreamResponse> {
  const token = await session.token();
  const response = await callUpstream(url, { ...request, token });
  if (response.status !== 401 || codeOf(response) === 'authentication_insufficient') return response;
  session.forgetToken(token);
  return callUpstream(url, { ...request, token: await session.token() });
}

/** The scope of an access token. The issuer itself sent the token, so the signature is not verified here. */
function scopeOf(token: string): string {
  const claims = z
    .object({ scope: z.string() })
    .safeParse(jsonOf(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()));
  return claims.success ? claims.data.scope : '';
}
