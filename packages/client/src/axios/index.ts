import type { AxiosError, AxiosInstance, AxiosResponse, InternalAxiosRequestConfig } from 'axios';
import { challengeOf, codeOf } from '../challenge.ts';
import { SessionError } from '../error.ts';
import type { Session } from '../session.ts';

/**
 * Makes an axios instance send the access token of a session, and repeat a request once that was refused because of its token.
 * Bodies that are streams are not repeated. A route's demand for a step-up is left to the application.
 *
 * Axios with its `fetch` adapter needs no interceptor: `axios.create({ adapter: 'fetch', env: { fetch: session.fetch } })`.
 * @returns a function that removes the interceptors
 */
export function attachSession(axios: AxiosInstance, session: Session): () => void {
  const { interceptors } = axios;
  /** The token of each request. A repetition has none here, so it is not repeated. */
  const sent = new WeakMap<object, string>();

  const requestId = interceptors.request.use(async (config) => {
    if (config.headers.get('Authorization') || !session.isApi(addressOf(config))) return config;
    let token: string;
    try {
      token = await session.getAccessToken();
    } catch (error) {
      // Whoever is not logged in sends no token.
      if (error instanceof SessionError && error.code === 'not_logged_in') return config;
      throw error;
    }
    config.headers.set('Authorization', `Bearer ${token}`);
    sent.set(config, token);
    return config;
  });

  const responseId = interceptors.response.use(null, async (error: AxiosError) => {
    const { config, response } = error;
    const token = config === undefined ? undefined : sent.get(config);
    if (config === undefined || token === undefined || response?.status !== 401) throw error;
    const challenge = challengeOf(headerOf(response), codeOf(response.data));
    if (challenge === undefined || challenge.required !== undefined || isStream(config.data)) throw error;
    await session.renew(token);
    config.headers.set('Authorization', `Bearer ${await session.getAccessToken()}`);
    return axios.request(config);
  });

  return () => {
    interceptors.request.eject(requestId);
    interceptors.response.eject(responseId);
  };
}

/** Axios puts a relative address behind `baseURL`. */
function addressOf({ url = '', baseURL = '' }: InternalAxiosRequestConfig): string {
  return /^([a-z][a-z\d+.-]*:)?\/\//i.test(url) ? url : `${baseURL.replace(/\/+$/, '')}/${url.replace(/^\/+/, '')}`;
}

const headerOf = ({ headers }: AxiosResponse): string | null => {
  const header: unknown = headers['www-authenticate'];
  return typeof header === 'string' ? header : null;
};

const isStream = (data: unknown): boolean =>
  typeof data === 'object' && data !== null && ('getReader' in data || 'pipe' in data);
