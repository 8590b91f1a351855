/** A refusal of the console or of user-management. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly code: string;
  readonly status: number;
  /** The id by which the log and the audit name the request. */
  readonly requestId: string | undefined;

  constructor(code: string, message: string, status: number, requestId?: string) {
    super(message);
    this.code = code;
    this.status = status;
    this.requestId = requestId;
  }
}

interface Problem {
  readonly code?: string;
  readonly title?: string;
  readonly detail?: string;
  readonly issues?: readonly { readonly path: string; readonly message: string }[];
}

let loggedOut: () => void = () => undefined;
/** Sets the listener that is called when the session of the operator is over. */
export function onLoggedOut(listener: () => void): void {
  loggedOut = listener;
}

interface CallOptions {
  readonly method?: 'GET' | 'POST';
  readonly body?: object;
  readonly headers?: Readonly<Record<string, string>>;
}

/** The header without which the server refuses: pages of other origins cannot send it. */
export const OWN_PAGE = { 'X-Rescind-CSRF': '1' } as const;

/**
 * Calls the server of the console.
 * @param path below `/api`, such as `/admin/users?prefix=a`
 * @throws Refusal; code `offline` without a response
 */
export async function call<T>(path: string, { method, body, headers = {} }: CallOptions = {}): Promise<T> {
  let response: Response;
  try {
    response = await fetch(`/api${path}`, {
      method: method ?? (body ? 'POST' : 'GET'),
      headers: { ...OWN_PAGE, ...headers, ...(body && { 'Content-Type': 'application/json' }) },
      ...(body && { body: JSON.stringify(body) }),
      redirect: 'error',
    });
  } catch {
    throw new Refusal('offline', 'The console does not respond.', 0);
  }
  if (response.status === 204) return undefined as T;
  const answer: unknown = await response.json().catch(() => undefined);
  if (response.ok && answer === undefined)
    throw new Refusal('response_unexpected', 'The response is not that of the console: look at what is before it.', 0);
  if (response.ok) return answer as T;
  const { code = `http_${response.status}`, title = code, detail, issues = [] } = Object(answer) as Problem;
  if (code === 'operator_session_missing') loggedOut();
  const [issue] = issues;
  const text = SENTENCES[code] ?? `${title}${detail === undefined ? '' : `: ${detail}`}`;
  const message = issue ? `${issue.path} ${issue.message}` : text;
  throw new Refusal(
    code,
    message.endsWith('.') ? message : `${message}.`,
    response.status,
    response.headers.get('x-request-id') ?? undefined,
  );
}

const SENTENCES: Readonly<Record<string, string>> = {
  credentials_wrong: 'The name or the password is wrong.',
  second_factor_required: 'This account has a second factor: enter the code of your authenticator.',
  second_factor_wrong: 'This code is wrong. Check the clock of your device, and enter the code that is shown now.',
  totp_used: 'This code was used already. Wait for the next one.',
  rate_limited: 'Too many attempts. Wait a minute, and try again.',
  scope_insufficient: 'Your account lacks the scope for this, or the user has a scope that you lack.',
  authentication_insufficient: 'This requires that you entered your password a moment ago.',
  issuer_unreachable: 'The console cannot reach user-management. The fleet continues to deny what it has applied.',
};

export const isRefusal = (error: unknown, code: string): boolean => error instanceof Refusal && error.code === code;

/** What an operator reads about a failure. */
export const sentenceOf = (error: unknown): string => (error instanceof Error ? error.message : 'It has failed.');

/** A page of a list of user-management. */
export interface Page<T> {
  readonly items: readonly T[];
  readonly next?: string;
}

/** A session, as `GET /admin/sessions` returns it. Times are ms since 1970. */
export interface Session {
  readonly sid: string;
  readonly sub: string;
  readonly username: string | null;
  readonly clientId: string;
  readonly deviceName: string | null;
  readonly createdAt: number;
  readonly lastUsedAt: number;
  readonly origin: { readonly address?: string; readonly userAgent?: string };
  readonly amr: readonly string[];
  readonly idleExpiresAt: number | null;
  readonly absoluteExpiresAt: number | null;
  readonly endedAt: number | null;
  readonly endReason: string | null;
}

/** A user, as `GET /admin/users` returns it. Times are ms since 1970. */
export interface User {
  readonly sub: string;
  readonly username: string;
  readonly state: 'active' | 'suspended' | 'banned' | 'deleted';
  readonly stateReason: string | null;
  readonly scopes: readonly string[] | null;
  readonly createdAt: number;
  readonly lastLoginAt: number | null;
  readonly secondFactor: boolean;
}

/** What a command would end, as `POST /admin/revocations/preview` returns it. */
export interface Preview {
  readonly sessions: number;
  readonly subjects: number;
  readonly affectedSessions: number;
  readonly affectedSubjects: number;
  readonly administrators: number;
}
