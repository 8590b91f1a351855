import type { Fetch } from '@rescind/token';

/** Where to look, and how long and how far. */
export interface MetadataRequest {
  readonly issuer: string;
  /** Where the issuer is reached. */
  readonly issuerUrl: string;
  readonly fetch: Fetch;
  readonly signal: AbortSignal;
}

const TIMEOUT_MS = 5_000;
/** Metadata of the largest known issuers take 5 kB. */
const MAX_BYTES = 65_536;

/** The issuer answered, and what it says cannot be used: asking again would not help. */
export class MetadataUnusable extends Error {
  override readonly name = 'MetadataUnusable';
}

/** What is looked for: members of RFC 8414 section 2. */
export type Endpoint = 'jwks_uri' | 'introspection_endpoint';

/**
 * Asks the issuer's metadata where something of it is: those of RFC 8414, else those of OpenID Connect Discovery.
 * @returns undefined when they do not say, or there are none
 * @throws MetadataUnusable, or whatever the fetch throws
 */
export async function findEndpoint(name: Endpoint, request: MetadataRequest): Promise<string | undefined> {
  for (const url of metadataUrls(request.issuerUrl)) {
    const metadata = await fetchMetadata(url, request);
    if (metadata !== undefined) return endpointOf(name, metadata, request);
  }
  return undefined;
}

async function fetchMetadata(url: string, request: MetadataRequest): Promise<Record<string, unknown> | undefined> {
  const response = await request.fetch(url, {
    redirect: 'error',
    signal: AbortSignal.any([request.signal, AbortSignal.timeout(TIMEOUT_MS)]),
    headers: { accept: 'application/json' },
  });
  if (response.status === 200) return parse(await readBody(response));
  await response.body?.cancel();
  if (response.status === 404) return undefined;
  throw new Error(`answered ${response.status}`);
}

/** RFC 8414 section 3.1: the well-known part goes between host and path. OpenID Connect Discovery section 4: behind the path. */
function metadataUrls(issuerUrl: string): string[] {
  const { origin, pathname } = new URL(issuerUrl);
  const path = pathname.replace(/\/+$/, '');
  return [
    `${origin}/.well-known/oauth-authorization-server${path}`,
    `${origin}${path}/.well-known/openid-configuration`,
  ];
}

async function readBody(response: Response): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.byteLength;
    if (size > MAX_BYTES) throw new MetadataUnusable(`more than ${MAX_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function parse(body: Buffer): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(body.toString('utf8'));
    if (typeof value === 'object' && value !== null) return { ...value };
  } catch {
    // Said below: what was sent is not repeated.
  }
  throw new MetadataUnusable('not a JSON object');
}

function endpointOf(
  name: Endpoint,
  metadata: Record<string, unknown>,
  { issuer, issuerUrl }: MetadataRequest,
): string | undefined {
  // RFC 8414 section 3.3: else anybody's metadata would do.
  if (metadata.issuer !== issuer) throw new MetadataUnusable('they are of another issuer');
  const { [name]: uri } = metadata;
  if (uri === undefined) return undefined;
  const url = typeof uri === 'string' ? URL.parse(rebase(uri, issuer, issuerUrl)) : null;
  if (url === null || !/^https?:$/.test(url.protocol) || url.username !== '' || url.password !== '') {
    throw new MetadataUnusable(`${name} is no http or https URL without a user and a password`);
  }
  if (new URL(issuerUrl).protocol === 'https:' && url.protocol !== 'https:') {
    throw new MetadataUnusable(`${name} is not https, and the issuer is`);
  }
  return url.href;
}

/** An issuer that is reached by another address than its name speaks of its name. */
function rebase(uri: string, issuer: string, issuerUrl: string): string {
  const base = issuer.replace(/\/+$/, '');
  return uri.startsWith(`${base}/`) ? issuerUrl.replace(/\/+$/, '') + uri.slice(base.length) : uri;
}
