import { challengeOf, codeOf } from '../challenge.ts';
import type { Session } from '../session.ts';

/** What of a request of axios is used here, so that this package requires no axios. */
interface RequestConfig {
  url?: string | undefined;
  baseURL?: string | undefined;
  headers: { get(name: string): unknown; set(name: string, value: string): unknown };
}

interface ErrorResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly data?: unknown;
}

interface Interceptors<T> {
  use(fulfilled: ((value: T) => T | Promise<T>) | null, rejected?: (error: unknown) => unknown): number;
  eject(id: number): void;
}

/** An instance of axios 1. */
export interface AxiosInstance {
  readonly interceptors: { readonly request: Interceptors<never>; readonly response: Interceptors<never> };
  request(config: never): Promise<unknown>;
}

/**
 * Makes an axios instance send the access token of a session, and repeat a request once that was refused because of its token.
 * Bodies that are streams are not repeated. A route's demand for a step-up is left to the application.
 *
 * Axios with its `fetch` adapter needs no interceptor: `axios.create({ adapter: 'fetch', env: { fetch: session.fetch } })`.
 * @returns a function that removes the interceptors
 */
export function attachSession(axios: AxiosInstance, session: Session): () => void {
  const interceptors = axios.interceptors as unknown as {
    readonly request: Interceptors<RequestConfig>;
    readonly response: Interceptors<unknown>;
  };
  /** The token of each request, and whether it is a repetition. */
  const sent = new WeakMap<object, string>();
  const repeated = new WeakSet<object>();

  const requestId = interceptors.request.use(async (config) => {
    if (config.headers.get('Authorization') || !session.isApi(addressOf(config))) return config;
    const { status } = session.getSnapshot();
    if (status === 'anonymous') return config;
    const token = await session.getAccessToken();
    config.headers.set('Authorization', `Bearer ${token}`);
    sent.set(config, token);
    return config;
  });

  const responseId = interceptors.response.use(null, async (error) => {
    const { config, response } = error as { readonly config?: RequestConfig; readonly response?: ErrorResponse };
    const token = config === undefined ? undefined : sent.get(config);
    if (config === undefined || token === undefined || repeated.has(config) || response?.status !== 401) throw error;
    if (challengeOf(headerOf(response), codeOf(response.data))?.kind !== 'renew' || isStream(config)) throw error;
    await session.renew(token);
    config.headers.set('Authorization', `Bearer ${await session.getAccessToken()}`);
    repeated.add(config);
    return axios.request(config as never);
  });

  return () => {
    interceptors.request.eject(requestId);
    interceptors.response.eject(responseId);
  };
}

/** Axios puts a relative address behind `baseURL`. */
function addressOf({ url = '', baseURL = '' }: RequestConfig): string {
  return /^([a-z][a-z\d+.-]*:)?\/\//i.test(url) ? url : `${baseURL.replace(/\/+$/, '')}/${url.replace(/^\/+/, '')}`;
}

const headerOf = ({ headers }: ErrorResponse): string | null => {
  const header = headers['www-authenticate'];
  return typeof header === 'string' ? header : null;
};

const isStream = (config: object): boolean => {
  const data: unknown = Reflect.get(config, 'data');
  return typeof data === 'object' && data !== null && ('getReader' in data || 'pipe' in data);
};
