import { isHttpUrl, readBody } from '@rescind/revocation/http';
import type { Fetch } from '@rescind/token';
import { describeFetchFailure } from '@rescind/token/fetch';

/** The issuer whose metadata are read, and by which fetch. */
export interface MetadataRequest {
  readonly issuer: string;
  /** The address of the issuer. */
  readonly issuerUrl: string;
  readonly fetch: Fetch;
  readonly signal: AbortSignal;
}

const TIMEOUT_MS = 5_000;
/** Metadata of the largest known issuers have 5 kB. */
const MAX_BYTES = 65_536;

/** No address had usable metadata. The message has each address with its cause. */
export class MetadataUnavailable extends Error {
  override readonly name = 'MetadataUnavailable';
  /** `unreachable`: an address could not be reached, or its response was 5xx or 429, so a retry may help. */
  readonly result: 'unusable' | 'unreachable';

  constructor(result: MetadataUnavailable['result'], causes: readonly string[]) {
    super(causes.join('; '));
    this.result = result;
  }
}

/** Members of RFC 8414 section 2. */
export type Endpoint = 'jwks_uri' | 'introspection_endpoint';

/** The failure at one address. */
class AddressFailure extends Error {
  readonly result: 'absent' | 'unusable' | 'unreachable';

  constructor(result: AddressFailure['result'], detail: string) {
    super(detail);
    this.result = result;
  }
}

/**
 * Reads the address of an endpoint from the issuer's metadata: those of RFC 8414, else those of OpenID Connect Discovery. If one
 * address fails, it reads the next.
 *
 * @returns undefined if the metadata have no such member, or every address responded 404 or 410
 * @throws MetadataUnavailable
 * @throws the reason of `signal` if it is aborted
 */
export async function findEndpoint(name: Endpoint, request: MetadataRequest): Promise<string | undefined> {
  const failures: AddressFailure[] = [];
  for (const url of metadataUrls(request.issuerUrl)) {
    try {
      const found = endpointOf(name, await fetchMetadata(url, request), request);
      if (found !== undefined) return found;
    } catch (error) {
      request.signal.throwIfAborted();
      failures.push(toFailure(url, error));
    }
  }
  const serious = failures.filter(({ result }) => result !== 'absent');
  if (serious.length === 0) return undefined;
  const result = serious.some((one) => one.result === 'unreachable') ? 'unreachable' : 'unusable';
  throw new MetadataUnavailable(
    result,
    failures.map(({ message }) => message),
  );
}

/** @param error an AddressFailure, or an error of the fetch */
function toFailure(url: string, error: unknown): AddressFailure {
  const result = error instanceof AddressFailure ? error.result : 'unreachable';
  return new AddressFailure(
    result,
    `${url}: ${error instanceof AddressFailure ? error.message : describeFetchFailure(error)}`,
  );
}

async function fetchMetadata(url: string, request: MetadataRequest): Promise<Record<string, unknown>> {
  const response = await request.fetch(url, {
    redirect: 'error',
    signal: AbortSignal.any([request.signal, AbortSignal.timeout(TIMEOUT_MS)]),
    headers: { accept: 'application/json' },
  });
  const { status } = response;
  if (status === 200) {
    const body = await readBody(response.body, { maxBytes: MAX_BYTES });
    if (body === undefined) throw new AddressFailure('unusable', `more than ${MAX_BYTES} bytes`);
    return parse(body);
  }
  await response.body?.cancel();
  const result = ABSENT.has(status) ? 'absent' : status >= 500 || status === 429 ? 'unreachable' : 'unusable';
  throw new AddressFailure(result, `answered ${status}`);
}

/** RFC 9110 sections 15.5.5 and 15.5.11. */
const ABSENT: ReadonlySet<number> = new Set([404, 410]);

/**
 * RFC 8414 section 3.1 puts the well-known part between host and path, OpenID Connect Discovery section 4 after the path. Older issuers
 * put the name of RFC 8414 after the path too (section 5).
 */
function metadataUrls(issuerUrl: string): Iterable<string> {
  const { origin, pathname } = new URL(issuerUrl);
  const path = pathname.replace(/\/+$/, '');
  return new Set([
    `${origin}/.well-known/oauth-authorization-server${path}`,
    `${origin}${path}/.well-known/openid-configuration`,
    `${origin}${path}/.well-known/oauth-authorization-server`,
  ]);
}

function parse(body: Buffer): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(body.toString('utf8'));
    if (typeof value === 'object' && value !== null) return { ...value };
  } catch {
    // The error below does not quote the response.
  }
  throw new AddressFailure('unusable', 'not a JSON object');
}

function endpointOf(
  name: Endpoint,
  metadata: Record<string, unknown>,
  { issuer, issuerUrl }: MetadataRequest,
): string | undefined {
  // RFC 8414 section 3.3: metadata of another issuer are refused.
  if (metadata.issuer !== issuer) {
    throw new AddressFailure('unusable', `of the issuer ${printable(metadata.issuer)}, not of ${issuer}`);
  }
  const { [name]: uri } = metadata;
  if (uri === undefined) return undefined;
  const text = typeof uri === 'string' ? rebase(uri, issuer, issuerUrl) : '';
  if (!isHttpUrl(text, { query: true })) {
    throw new AddressFailure('unusable', `${name} is no http or https URL without a user, a password and a fragment`);
  }
  const url = new URL(text);
  if (new URL(issuerUrl).protocol === 'https:' && url.protocol !== 'https:') {
    throw new AddressFailure('unusable', `${name} is not https, and the issuer is`);
  }
  return url.href;
}

/** The name of an issuer is public, but this value may be anything. */
function printable(issuer: unknown): string {
  const isUrl = typeof issuer === 'string' && issuer.length <= 256 && /^https?:\/\/[^\s@?#]+$/.test(issuer);
  return isUrl ? issuer : 'no http or https URL';
}

/** Metadata contain the name of the issuer. It is replaced where the issuer has another address. */
function rebase(uri: string, issuer: string, issuerUrl: string): string {
  const base = issuer.replace(/\/+$/, '');
  return uri.startsWith(`${base}/`) ? issuerUrl.replace(/\/+$/, '') + uri.slice(base.length) : uri;
}
