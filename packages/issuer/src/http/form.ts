import { RescindError } from '@rescind/revocation';
import { RequestRefused } from '@rescind/revocation/errors';
import { oneHeader, readBasic, readText, SCOPE_LIST } from '@rescind/revocation/http';
import type { ClientProof } from '../issuer-clients.ts';

/** The parts of an HTTP request that the endpoints read. A request of Node or of Express is one. */
export interface IssuerRequest {
  /** Names and values in turn, as `IncomingMessage.rawHeaders`. */
  readonly rawHeaders: readonly string[];
  /** The address of the sender, where it is known: for `onClientRefused`. */
  readonly ip?: string | undefined;
}

/** The body of a request: its bytes, or the form that a middleware has parsed from them. */
export type RequestBody = AsyncIterable<Uint8Array> | URLSearchParams | null;

/** Longest accepted body: an access token of 10 kB and a client assertion. In bytes. */
const MAX_BODY_BYTES = 16_384;
/** A longer body is read and dropped up to this size. */
const MAX_DROPPED_BYTES = 1_048_576;

/** Longest accepted value of each parameter, in characters. */
const LONGEST = {
  client_id: 256,
  client_secret: 1_024,
  client_assertion_type: 256,
  client_assertion: 4_096,
  grant_type: 256,
  refresh_token: 512,
  subject_token: 10_240,
  token: 10_240,
  token_type_hint: 256,
  scope: 1_000,
} as const;
/** Of one `resource` (RFC 8707), in characters, and the number of them. */
const LONGEST_RESOURCE = 256;
const MAX_RESOURCES = 32;

type Parameter = keyof typeof LONGEST;

/** The parameters of a form. Absent: not sent, or without a value (RFC 6749 section 3.2). */
export type Form = { readonly [name in Parameter]?: string } & { readonly resource?: readonly string[] };

/** How a client authenticates by parameters (RFC 6749 section 2.3.1, RFC 7523 section 2.2). */
export type ClientForm = {
  readonly [name in 'client_id' | 'client_secret' | 'client_assertion_type' | 'client_assertion']?: string | undefined;
};

const OF_CLIENTS = ['client_id', 'client_secret', 'client_assertion_type', 'client_assertion'] as const;

/** The parameters of each endpoint. Others are ignored (RFC 6749 section 3.2). */
export const PARAMETERS = {
  token: [...OF_CLIENTS, 'grant_type', 'refresh_token', 'subject_token', 'scope', 'resource'],
  revoke: [...OF_CLIENTS, 'token', 'token_type_hint'],
  introspect: [...OF_CLIENTS, 'token', 'token_type_hint'],
} as const satisfies Record<string, readonly (Parameter | 'resource')[]>;

/**
 * Reads a form (`application/x-www-form-urlencoded`).
 * @param names the parameters to read
 * @throws RescindError `body_too_large`; `request_invalid`: another content type (RFC 6749 section 5.2 has no other status than 400 for a
 *   malformed request), or a parameter twice, too long or malformed
 */
export async function readForm(
  { rawHeaders }: IssuerRequest,
  body: RequestBody,
  names: readonly (Parameter | 'resource')[],
): Promise<Form> {
  const parameters = body instanceof URLSearchParams ? body : new URLSearchParams(await readFormText(rawHeaders, body));
  const form: { [name in Parameter]?: string } & { resource?: readonly string[] } = {};
  for (const name of names) {
    const sent = parameters.getAll(name);
    const values = sent.filter((value) => value !== '');
    const [value] = values;
    if (value === undefined && sent.length < 2) continue;
    if (name === 'resource') {
      form.resource = checkedResources(values);
      continue;
    }
    if (sent.length > 1) throw refused(name, 'must not be given twice');
    if (value === undefined) continue;
    if (value.length > LONGEST[name]) throw refused(name, `must be at most ${LONGEST[name]} characters`);
    if (name === 'scope' && !SCOPE_LIST.test(value)) throw refused(name, 'must be scopes with one space between');
    form[name] = value;
  }
  return form;
}

const FORM = 'application/x-www-form-urlencoded';

async function readFormText(rawHeaders: readonly string[], body: AsyncIterable<Uint8Array> | null): Promise<string> {
  try {
    return await readText(rawHeaders, body, {
      type: FORM,
      maxBytes: MAX_BODY_BYTES,
      maxDroppedBytes: MAX_DROPPED_BYTES,
    });
  } catch (error) {
    if (!(error instanceof RescindError) || error.code !== 'media_type_wrong') throw error;
    throw new RequestRefused([{ path: '', message: `must be ${FORM}, in UTF-8, not compressed` }]);
  }
}

function checkedResources(values: readonly string[]): readonly string[] {
  if (values.length > MAX_RESOURCES) throw refused('resource', `must be given at most ${MAX_RESOURCES} times`);
  if (values.some((value) => value.length > LONGEST_RESOURCE)) {
    throw refused('resource', `must be at most ${LONGEST_RESOURCE} characters`);
  }
  return values;
}

/** RFC 7523 section 2.2. */
const JWT_BEARER = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';

/**
 * Reads the credentials of a client (RFC 6749 section 2.3): of the `Authorization` header, a secret in the form, an assertion (RFC 7523),
 * or none. One method a request.
 * @param defaultClientId the client of a request that names none; undefined: such a request is refused
 * @throws RescindError `request_invalid`, `client_invalid`
 */
export function readClientProof(
  { rawHeaders }: IssuerRequest,
  form: ClientForm,
  defaultClientId: string | undefined,
): ClientProof {
  const authorization = oneHeader(rawHeaders, 'authorization');
  const { client_id: clientId, client_secret: secret, client_assertion: assertion } = form;
  const methods = [authorization, secret, assertion].filter((method) => method !== undefined);
  if (methods.length > 1) throw refused('client_secret', 'must not be sent beside another way of authenticating');
  if (authorization !== undefined) return basicProof(authorization, clientId);
  if (secret !== undefined) {
    if (clientId === undefined) throw refused('client_id', 'must be given');
    return { method: 'client_secret_post', clientId, secret };
  }
  if (assertion !== undefined) return assertionProof(form, assertion);
  if (form.client_assertion_type !== undefined) throw refused('client_assertion', 'must be given');
  const id = clientId ?? defaultClientId;
  if (id === undefined) throw refused('client_id', 'must be given');
  return { method: 'none', clientId: id };
}

/** RFC 6749 section 2.3.1: id and secret are form-encoded before they are joined by a colon. */
function basicProof(authorization: string, clientId: string | undefined): ClientProof {
  const { id: encodedId, secret } = readBasic(authorization) ?? { id: '', secret: '' };
  const id = formDecoded(encodedId);
  if (id === '') throw new RescindError('client_invalid');
  if (clientId !== undefined && clientId !== id) throw refused('client_id', 'must be the one that is authenticated');
  return { method: 'client_secret_basic', clientId: id, secret: formDecoded(secret) };
}

function formDecoded(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    throw new RescindError('client_invalid');
  }
}

function assertionProof(form: ClientForm, assertion: string): ClientProof {
  if (form.client_assertion_type !== JWT_BEARER) throw refused('client_assertion_type', `must be ${JWT_BEARER}`);
  const { client_id: clientId } = form;
  return { method: 'private_key_jwt', assertion, ...(clientId === undefined ? {} : { clientId }) };
}

/** The error `request_invalid` about one parameter. */
export const refused = (path: string, message: string) => new RequestRefused([{ path, message }]);
