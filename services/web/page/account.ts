import { SessionError } from '@rescind/client';
import { configuration, session } from './session.ts';

/** A session of the user, as `GET /sessions` lists it. Times are ms since 1970. */
export interface Device {
  readonly sid: string;
  readonly deviceName: string | null;
  readonly createdAt: number;
  readonly lastUsedAt: number;
  readonly origin: { readonly address?: string; readonly userAgent?: string };
  readonly amr: readonly string[];
  readonly current: boolean;
}

export interface Account {
  readonly username: string;
  readonly secondFactor: boolean;
  readonly recoveryCodesLeft: number;
}

/** A refusal of the issuer. */
class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly code: string;

  /** @param message the message of the issuer */
  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

interface Problem {
  readonly code?: string;
  readonly title?: string;
  readonly detail?: string;
  readonly issues?: readonly { readonly path: string; readonly message: string }[];
}

async function answerOf<T>(response: Response): Promise<T> {
  const body: unknown = response.status === 204 ? undefined : await response.json().catch(() => ({}));
  if (response.ok) return body as T;
  const { code = `HTTP ${response.status}`, title = code, detail = title, issues = [] } = Object(body) as Problem;
  const [issue] = issues;
  throw new Refusal(code, issue ? `The ${issue.path} ${issue.message}.` : `${detail}.`);
}

/**
 * Calls an account endpoint with a token for it.
 * @throws Refusal, SessionError
 */
export async function account<T>(method: string, path: string, body?: object): Promise<T> {
  const response = await session.fetch(configuration.issuer + path, {
    method,
    resource: configuration.accountAudience,
    ...(body && { body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } }),
  });
  return answerOf<T>(response);
}

/** @throws Refusal, TypeError without a connection */
export async function register(credentials: { readonly username: string; readonly password: string }): Promise<void> {
  await answerOf(
    await fetch(`${configuration.issuer}/register`, {
      method: 'POST',
      body: JSON.stringify(credentials),
      headers: { 'Content-Type': 'application/json' },
      credentials: 'omit',
    }),
  );
}

const SENTENCES: Readonly<Record<string, string>> = {
  credentials_wrong: 'The name or the password is wrong.',
  second_factor_required: 'This account has a second factor: enter the code of your authenticator.',
  second_factor_wrong: 'This code is wrong. Check the clock of your device, and enter the code that is shown now.',
  totp_used: 'This code was used already. Wait for the next one.',
  recovery_code_used: 'This recovery code was used already. Take another one.',
  username_taken: 'This name is taken.',
  rate_limited: 'Too many attempts. Wait a minute, and try again.',
  busy: 'The server is busy. Try again in a moment.',
  second_factor_state: 'The second factor has changed meanwhile. Reload the page.',
  session_ended: 'This session is over. Log in again.',
  offline: 'There is no connection to the server.',
  unavailable: 'The server does not respond at the moment. Try again soon.',
  storage_unavailable: 'The server cannot write at the moment. Try again soon.',
};

/** What a user reads about a failure. */
export function sentenceOf(error: unknown): string {
  if (error instanceof Refusal) return SENTENCES[error.code] ?? error.message;
  if (error instanceof SessionError) {
    const { code, serverCode = '' } = error;
    return SENTENCES[serverCode] ?? SENTENCES[code] ?? `${code} ${serverCode}`;
  }
  return SENTENCES.offline ?? '';
}

/** The code of a failure, by which a form decides what comes next. */
export function codeOf(error: unknown): string {
  if (error instanceof SessionError) return error.serverCode ?? error.code;
  return error instanceof Refusal ? error.code : '';
}
