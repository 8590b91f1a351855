import './require-node.ts';

/** What a code means to HTTP and to OAuth. `oauth` is the `error` of RFC 6749 section 5.2, RFC 6750 section 3.1 or RFC 9470 section 3. */
export interface ErrorEntry {
  /** The HTTP status. */
  readonly status: number;
  /** Absent: OAuth has no code for it. */
  readonly oauth?: string;
  /** One sentence for the client. */
  readonly message: string;
}

const BASE_ERRORS = {
  // Refusals of an access token (RFC 6750 section 3), by a guard and by the issuer.
  token_missing: { status: 401, message: 'No access token was sent' },
  request_invalid: { status: 400, oauth: 'invalid_request', message: 'The request is malformed' },
  token_malformed: { status: 401, oauth: 'invalid_token', message: 'The access token is malformed' },
  token_type_wrong: { status: 401, oauth: 'invalid_token', message: 'This is not an access token' },
  token_issuer_unknown: {
    status: 401,
    oauth: 'invalid_token',
    message: 'The issuer of the access token is not trusted here',
  },
  token_key_unknown: { status: 401, oauth: 'invalid_token', message: 'The key of the access token is not known' },
  token_signature_wrong: { status: 401, oauth: 'invalid_token', message: 'The signature of the access token is wrong' },
  token_audience_wrong: { status: 401, oauth: 'invalid_token', message: 'The access token is not for this service' },
  token_claim_wrong: {
    status: 401,
    oauth: 'invalid_token',
    message: 'A claim of the access token is missing or wrong',
  },
  token_unjudgeable: {
    status: 401,
    oauth: 'invalid_token',
    message: 'A claim of the access token cannot be compared with what was revoked',
  },
  token_sender_constrained: {
    status: 401,
    oauth: 'invalid_token',
    message: 'The access token is bound to a key, whose proof is not verified here',
  },
  token_expired: { status: 401, oauth: 'invalid_token', message: 'The access token has expired' },
  token_not_yet_valid: { status: 401, oauth: 'invalid_token', message: 'The access token is not valid yet' },
  token_revoked: { status: 401, oauth: 'invalid_token', message: 'The access token has been revoked' },
  token_inactive: {
    status: 401,
    oauth: 'invalid_token',
    message: 'The issuer says that the access token is not active',
  },
  token_soft_expired: {
    status: 401,
    oauth: 'invalid_token',
    message: 'The access token is past its soft limit and has to be renewed',
  },
  authentication_insufficient: {
    status: 401,
    oauth: 'insufficient_user_authentication',
    message: 'A more recent or a stronger authentication is needed here',
  },
  scope_insufficient: {
    status: 403,
    oauth: 'insufficient_scope',
    message: 'The access token lacks a scope that is needed here',
  },
  claim_insufficient: {
    status: 403,
    oauth: 'insufficient_scope',
    message: 'A claim of the access token does not have the value that is needed here',
  },
  view_not_ready: { status: 503, message: 'This instance has not caught up with the revocation log yet' },
  view_stale: { status: 503, message: 'This instance has not heard from the revocation log for too long' },
  introspection_unavailable: { status: 503, message: 'The issuer could not be asked about the access token' },
  keys_unavailable: { status: 503, message: 'The keys of the issuer could not be read' },
  denylist_unreadable: { status: 503, message: 'The denylist could not be read' },
  // Errors of every process, over HTTP and in code.
  client_invalid: { status: 401, oauth: 'invalid_client', message: 'Client authentication failed' },
  rate_limited: { status: 429, message: 'Too many requests' },
  not_found: { status: 404, message: 'There is nothing at this address' },
  method_wrong: { status: 405, message: 'This address does not take that method' },
  body_too_large: { status: 413, message: 'The body is too large' },
  media_type_wrong: { status: 415, message: 'The body has the wrong content type' },
  clock_parted: {
    status: 503,
    message: 'The clock of the issuer has jumped: no token is minted until it is corrected',
  },
  clock_ahead: { status: 503, message: 'The clock of the issuer is ahead of the wall clock: the cut-off has to wait' },
  storage_unavailable: { status: 503, message: 'The service cannot write to its storage at the moment' },
  busy: { status: 503, message: 'The service is busy' },
  stopping: { status: 503, message: 'The service is stopping' },
  internal: { status: 500, message: 'Something went wrong here' },
  configuration_invalid: { status: 500, message: 'The configuration is invalid' },
} as const satisfies Readonly<Record<string, ErrorEntry>>;

type BaseErrors = typeof BASE_ERRORS;

/**
 * Every code there is, with its entry. A package adds its own at two places of one file: the entries by `registerErrors`, their
 * types by `declare module '@rescind/revocation/errors' { interface ErrorTable extends … {} }`.
 */
export interface ErrorTable extends BaseErrors {}

/** The code of an error that some loaded package has registered. */
export type ErrorCode = keyof ErrorTable;

type Entries = Readonly<Record<string, ErrorEntry>>;

const owners = new Map<string, Entries>();
const table: Record<string, ErrorEntry> = Object.create(null);

/** The entries of every package that is loaded. docs/errors.md has a line for each, and a test that they agree. */
export const ERRORS: Readonly<Record<ErrorCode, ErrorEntry>> = table as Record<ErrorCode, ErrorEntry>;

/**
 * Adds the codes of a package to `ERRORS`, when the package is loaded. A package manager may install one package twice: of a
 * second copy the codes that the first has not are added.
 * @param owner the name of the package
 * @throws TypeError for a code of another package, one that is no word such as `token_expired`, or whose status is none of an error
 */
export function registerErrors<const T extends Entries>(owner: string, errors: T): T {
  for (const [code, { status, message }] of Object.entries(errors)) {
    const [other = owner] = [...owners].find(([, entries]) => Object.hasOwn(entries, code)) ?? [];
    if (other !== owner) throw new TypeError(`the error code ${code} of ${owner} is one of ${other} already`);
    if (!/^[a-z][a-z0-9_]*$/.test(code))
      throw new TypeError(`an error code of ${owner} must be a word such as token_expired`);
    if (!Number.isInteger(status) || status < 400 || status > 599 || message === '') {
      throw new TypeError(`the error code ${code} of ${owner} must have a status of 400 to 599 and a message`);
    }
  }
  const known = { ...errors, ...owners.get(owner) };
  owners.set(owner, known);
  Object.assign(table, known);
  return errors;
}

/** The entries by the package that registered them, in the order in which packages were loaded. */
export function errorsByOwner(): ReadonlyMap<string, Entries> {
  return owners;
}

registerErrors('@rescind/revocation', BASE_ERRORS);

/** Refusals of the access token itself, by verification or revocation, at the guard and at the issuer. */
export const TOKEN_REFUSALS = [
  'token_malformed',
  'token_type_wrong',
  'token_issuer_unknown',
  'token_key_unknown',
  'token_signature_wrong',
  'token_audience_wrong',
  'token_claim_wrong',
  'token_unjudgeable',
  'token_sender_constrained',
  'token_expired',
  'token_not_yet_valid',
  'token_revoked',
] as const satisfies readonly ErrorCode[];

/** Every code of a guard's decision that refuses: the label `result` of `rescind_decisions_total`. */
export const DECISION_REFUSALS = [
  ...TOKEN_REFUSALS,
  'token_inactive',
  'token_soft_expired',
  'authentication_insufficient',
  'scope_insufficient',
  'claim_insufficient',
  'view_not_ready',
  'view_stale',
  'introspection_unavailable',
  'keys_unavailable',
  'denylist_unreadable',
  'stopping',
  'internal',
] as const satisfies readonly ErrorCode[];

/** Refusals of a request before there is a token to decide about. */
export const CREDENTIAL_REFUSALS = ['token_missing', 'request_invalid'] as const satisfies readonly ErrorCode[];

/** Details for operators: never a token, a password or a key, and never in a response. */
export interface RescindErrorOptions extends ErrorOptions {
  /** What happened, for the log. Default: none. */
  readonly detail?: string | undefined;
  /** What is wrong with the request and what would be right, for its sender: nothing secret, nothing about others. Default: none. */
  readonly publicDetail?: string | undefined;
  /** A stable word for the sender, such as `suspended`: given only after a successful authentication. Default: none. */
  readonly reason?: string | undefined;
  /** Seconds after which a retry makes sense: `Retry-After` (RFC 9110 section 10.2.3). Default: none. */
  readonly retryAfter?: number | undefined;
}

/**
 * Whether an error concerns the caller's input: coded, with a status below 500. Any other error (a bug, a full disk, a stopping service)
 * states nothing about a token, and no response may treat it so.
 */
export function isCallersError(error: unknown): error is RescindError {
  return error instanceof RescindError && error.status < 500;
}

/** An error with a stable `code`, by which callers distinguish it, and the `status` of an HTTP response. */
export class RescindError extends Error {
  override readonly name = 'RescindError';
  readonly code: ErrorCode;
  readonly status: number;
  readonly oauth: string | undefined;
  readonly detail: string | undefined;
  readonly publicDetail: string | undefined;
  readonly reason: string | undefined;
  readonly retryAfter: number | undefined;

  constructor(code: ErrorCode, options: RescindErrorOptions = {}) {
    const entry: ErrorEntry | undefined = ERRORS[code];
    if (entry === undefined) throw new TypeError(`no package that is loaded has registered the error code ${code}`);
    super(options.detail === undefined ? entry.message : `${entry.message}: ${options.detail}`, options);
    this.code = code;
    this.status = entry.status;
    this.oauth = entry.oauth;
    this.detail = options.detail;
    this.publicDetail = options.publicDetail;
    this.reason = options.reason;
    this.retryAfter = options.retryAfter;
  }
}

/** One fault of a request, in words that its sender may see: never the value. */
export interface RequestIssue {
  /** Such as `deviceName`; empty: the request as a whole. */
  readonly path: string;
  /** What would be right. */
  readonly message: string;
}

/** A refusal with the faults of the request, each with what would be right. */
export class RequestRefused extends RescindError {
  readonly issues: readonly RequestIssue[];

  constructor(found: readonly RequestIssue[], code: ErrorCode = 'request_invalid') {
    const issues = found.map(({ path, message }) => ({ path: shortened(path), message: shortened(message) }));
    super(code, { detail: issues.map(({ path, message }) => `${path} ${message}`.trim()).join('; ') });
    this.issues = issues;
  }
}

/** Limits names, which come from the sender. */
function shortened(text: string): string {
  return text.length > 100 ? `${text.slice(0, 100)}…` : text;
}
