import { Readable } from 'node:stream';
import { RequestRefused, RescindError } from '../errors.ts';

/** The characters of scopes, audiences and `acr` values: `NQCHAR` of RFC 6749 appendix A, which a challenge can quote. */
const NQCHAR = '[\\x21\\x23-\\x5b\\x5d-\\x7e]';
/** Visible ASCII (RFC 6749 appendix A.1) without the colon, which would end a client id in HTTP Basic. */
const CLIENT_ID_CHAR = '[\\x21-\\x39\\x3b-\\x7e]';

/**
 * The pattern of one scope token (RFC 6749 section 3.3), of an audience and of an `acr` value.
 * @param maxLength longest accepted text, in characters. Default: any
 */
export function scopeToken(maxLength?: number): RegExp {
  return new RegExp(`^${NQCHAR}${maxLength === undefined ? '+' : `{1,${maxLength}}`}$`);
}

/** Scope tokens with one space between (RFC 6749 section 3.3). */
export const SCOPE_LIST = new RegExp(`^${NQCHAR}+( ${NQCHAR}+)*$`);

/** The pattern of a client id. @param maxLength longest accepted id, in characters */
export function clientIdPattern(maxLength: number): RegExp {
  return new RegExp(`^${CLIENT_ID_CHAR}{1,${maxLength}}$`);
}

/** An origin as browsers send it (RFC 6454 section 6.1): lower case, and a port only if it is not the default one. */
export const ORIGIN = /^https?:\/\/(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:\d{1,5})?$/;

/** Whether text is an absolute http or https URL without credentials and fragment; without a query too, unless `query` is true. */
export function isHttpUrl(text: string, { query = false }: { readonly query?: boolean } = {}): boolean {
  const url = URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol) || url.username !== '' || url.password !== '') return false;
  return !text.includes('#') && (query || !text.includes('?'));
}

/** Whether what is sent to a URL can be read on no network: it is https, or this machine. */
export function isSecureUrl(url: string): boolean {
  const { protocol, hostname } = new URL(url);
  return protocol === 'https:' || hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d+){3}$/.test(hostname);
}

const WELL_KNOWN = '/.well-known/';

/**
 * Removes the base path of a service from a path, if it is there: a proxy may leave or remove it. A well-known path has it at the end, too
 * (RFC 8414 section 3.1).
 * @param basePath such as `/tenant`
 */
export function pathBelow(basePath: string, path: string): string {
  if (path === basePath) return '/';
  if (path.startsWith(`${basePath}/`)) return path.slice(basePath.length);
  const isInserted = path.startsWith(WELL_KNOWN) && path.endsWith(basePath);
  return isInserted ? path.slice(0, -basePath.length) : path;
}

/**
 * The value of a header that may be sent once. Of several, `headers` of Node contain only the first, while another program on the way
 * may read a later one (RFC 9110 section 5.3).
 * @param rawHeaders names and values in turn, as `IncomingMessage.rawHeaders`
 * @param name in lower case
 * @throws RescindError `request_invalid` when the header was sent twice
 */
export function oneHeader(rawHeaders: readonly string[], name: string): string | undefined {
  let found: string | undefined;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const sent = rawHeaders[at] ?? '';
    if (sent.length !== name.length || sent.toLowerCase() !== name) continue;
    if (found !== undefined) throw new RescindError('request_invalid', { detail: `two ${name} headers` });
    found = rawHeaders[at + 1];
  }
  return found;
}

/** The parts of a request in which clients send access tokens. */
interface BearerRequest {
  /** The header `Authorization`, by `oneHeader`. */
  readonly authorization: string | undefined;
  /** The request target with its query. */
  readonly target: string;
  /** The parsed form; absent: the body is no form, or was not parsed. */
  readonly form?: object | undefined;
}

/**
 * The access token of a request, from its `Authorization` header and nowhere else (RFC 6750 section 2.1): URLs end up in logs and
 * histories.
 * @returns undefined when none was sent
 * @throws RescindError `request_invalid` for a token in the URL or in the form, and for `Bearer` without exactly one token;
 *   `token_sender_constrained` for the scheme `DPoP` (RFC 9449 section 7.1), also where a token is optional
 */
export function readBearer({ authorization = '', target, form }: BearerRequest): string | undefined {
  const query = target.indexOf('?');
  if (query !== -1 && new URLSearchParams(target.slice(query)).has('access_token')) {
    throw new RescindError('request_invalid', { detail: 'a token in the address' });
  }
  if (form !== undefined && Object.hasOwn(form, 'access_token')) {
    throw new RescindError('request_invalid', { detail: 'a token in the body' });
  }
  const [, scheme, token] = /^(\S+) *(.*)$/s.exec(authorization) ?? [];
  if (scheme?.toLowerCase() === 'dpop') {
    throw new RescindError('token_sender_constrained', { detail: 'sent with the scheme DPoP' });
  }
  if (scheme?.toLowerCase() !== 'bearer') return undefined;
  if (token === undefined || !/^\S+$/.test(token)) {
    throw new RescindError('request_invalid', { detail: 'Bearer with no token, or with more than one' });
  }
  return token;
}

/** The credentials of HTTP Basic. */
interface BasicCredentials {
  /** Empty when the header could not be parsed. No client has an empty id. */
  readonly id: string;
  readonly secret: string;
}

/** Longest accepted encoded credentials: an id and a secret of 256 characters each, form-encoded. */
const MAX_BASIC_LENGTH = 8_192;
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;

/**
 * Reads HTTP Basic (RFC 7617, UTF-8). Base64 has one accepted spelling: with padding, and without surplus bits.
 * @param authorization the header `Authorization`, by `oneHeader`
 * @returns undefined for another scheme or no header. A header of this scheme that cannot be parsed has an empty id and secret, so
 *   that callers count and refuse it as wrong credentials
 */
export function readBasic(authorization: string | undefined): BasicCredentials | undefined {
  const [, encoded] = /^basic(?: +(.*))?$/is.exec(authorization ?? '') ?? [];
  if (encoded === undefined) return /^basic *$/i.test(authorization ?? '') ? UNREADABLE : undefined;
  if (encoded.length > MAX_BASIC_LENGTH || !BASE64.test(encoded)) return UNREADABLE;
  const bytes = Buffer.from(encoded, 'base64');
  const text = bytes.toString('utf8');
  const isExact = bytes.toString('base64') === encoded && Buffer.from(text).equals(bytes);
  const colon = text.indexOf(':');
  // RFC 7617 section 2: no control characters.
  if (!isExact || colon < 1 || /\p{Cc}/u.test(text)) return UNREADABLE;
  return { id: text.slice(0, colon), secret: text.slice(colon + 1) };
}

const UNREADABLE: BasicCredentials = Object.freeze({ id: '', secret: '' });

/** The value of `Authorization` for HTTP Basic (RFC 7617, UTF-8). OAuth clients form-encode both first (RFC 6749 section 2.3.1). */
export function basicAuthorization(id: string, secret: string): string {
  return `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`;
}

/**
 * The cookies of a request in their order (RFC 6265 section 4.2.1), those with the same name included.
 * @param cookie the header `Cookie`
 */
export function readCookies(cookie: string | undefined): [name: string, value: string][] {
  return (cookie ?? '').split(';').flatMap((pair) => {
    const [name, ...value] = pair.trim().split('=');
    return name === undefined || name === '' ? [] : [[name, value.join('=')]];
  });
}

interface BodyLimits {
  /** Longest accepted body, in bytes. */
  readonly maxBytes: number;
  /**
   * A longer body is read and dropped up to this size, in bytes: many clients read the response only when they have sent all. Default:
   * `maxBytes`.
   */
  readonly maxDroppedBytes?: number;
  /** How long the body may take, in ms. Default: as long as the connection. */
  readonly timeoutMs?: number;
}

/**
 * Reads the body of a request or a response.
 * @returns undefined for a body that is too long
 * @throws RescindError `request_invalid` for one that has not arrived in time
 * @throws whatever its stream does
 */
export async function readBody(
  body: AsyncIterable<Uint8Array> | null | undefined,
  { maxBytes, maxDroppedBytes = maxBytes, timeoutMs }: BodyLimits,
): Promise<Buffer | undefined> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  // The socket of a request that is too long stays open for the response; what a server sends beyond the limit is not read.
  const source: AsyncIterable<Uint8Array> | [] =
    body instanceof Readable ? body.iterator({ destroyOnReturn: false }) : (body ?? []);
  const read = async () => {
    for await (const chunk of source) {
      size += chunk.byteLength;
      if (size > maxDroppedBytes) return;
      if (size <= maxBytes) chunks.push(chunk);
    }
  };
  await (timeoutMs === undefined ? read() : within(timeoutMs, read()));
  return size > maxBytes ? undefined : Buffer.concat(chunks);
}

async function within(timeoutMs: number, work: Promise<void>): Promise<void> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => reject(new RequestRefused([{ path: '', message: `must arrive within ${timeoutMs} ms` }])),
    timeoutMs,
  );
  work.catch(() => undefined);
  try {
    await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

interface TextLimits extends BodyLimits {
  /** The media type, such as `application/json`. */
  readonly type: string;
}

/**
 * Reads the body of a request as text: of one media type, in UTF-8, without a content coding. A request without a body has no type
 * (RFC 9110 section 8.3), and is an empty text.
 * @param rawHeaders names and values in turn, as `IncomingMessage.rawHeaders`
 * @throws RescindError `media_type_wrong`, `body_too_large`, `request_invalid`
 */
export async function readText(
  rawHeaders: readonly string[],
  body: AsyncIterable<Uint8Array> | null | undefined,
  { type, ...limits }: TextLimits,
): Promise<string> {
  const contentType = oneHeader(rawHeaders, 'content-type') ?? '';
  const [mediaType = '', ...parameters] = contentType.toLowerCase().split(';');
  const charset = parameters.map((parameter) => parameter.trim()).find((parameter) => parameter.startsWith('charset='));
  const isUtf8 = charset === undefined || /^charset="?utf-8"?$/.test(charset);
  const coding = oneHeader(rawHeaders, 'content-encoding') ?? 'identity';
  const isOfType = mediaType.trim() === type && isUtf8 && coding === 'identity';
  if (!isOfType && contentType !== '') throw new RescindError('media_type_wrong');
  // Longer ones are not even dropped.
  const length = Number(oneHeader(rawHeaders, 'content-length') ?? 0);
  if (length > (limits.maxDroppedBytes ?? limits.maxBytes)) throw new RescindError('body_too_large');
  const bytes = await readBody(body, limits);
  if (bytes === undefined) throw new RescindError('body_too_large');
  if (!isOfType && bytes.length > 0) throw new RescindError('media_type_wrong');
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new RequestRefused([{ path: '', message: 'must be UTF-8' }]);
  }
}
