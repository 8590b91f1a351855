import type { ClientProof } from '@rescind/issuer';
import { RequestRefused, RescindError } from '@rescind/revocation';
import type { Request } from 'express';
import type { ClientForm } from './forms.ts';

/** RFC 7523 section 2.2. */
const JWT_BEARER = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';

/** Whose a request is that names no client: the first-party application, which is public. */
export const DEFAULT_CLIENT_ID = 'web';

/**
 * How a client shows who it is (RFC 6749 section 2.3): in the `Authorization` header, by a secret in the form, by an
 * assertion (RFC 7523), or not at all. One way a request.
 * @throws RescindError `request_invalid`, `client_invalid`
 */
export function readClientProof(request: Request, form: ClientForm): ClientProof {
  const authorization = authorizationOf(request);
  const { client_id: clientId, client_secret: secret, client_assertion: assertion } = form;
  const ways = [authorization, secret, assertion].filter((way) => way !== undefined);
  if (ways.length > 1) throw refused('client_secret', 'must not be sent beside another way of authenticating');
  if (authorization !== undefined) return basicProof(authorization, clientId);
  if (secret !== undefined) {
    if (clientId === undefined) throw refused('client_id', 'must be given');
    return { method: 'client_secret_post', clientId, secret };
  }
  if (assertion !== undefined) return assertionProof(form, assertion);
  if (form.client_assertion_type !== undefined) throw refused('client_assertion', 'must be given');
  return { method: 'none', clientId: clientId ?? DEFAULT_CLIENT_ID };
}

function authorizationOf(request: Request): string | undefined {
  const [header, another] = request.headersDistinct.authorization ?? [];
  if (another !== undefined) throw refused('', 'must not have two Authorization headers');
  return header;
}

/** RFC 6749 section 2.3.1: id and secret are form-encoded before they are joined by a colon. */
function basicProof(authorization: string, clientId: string | undefined): ClientProof {
  const encoded = /^Basic +([A-Za-z0-9+/]{1,4096}={0,2})$/i.exec(authorization)?.[1];
  if (encoded === undefined) throw new RescindError('client_invalid');
  const text = Buffer.from(encoded, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  if (colon === -1) throw new RescindError('client_invalid');
  const [id, secret] = [formDecoded(text.slice(0, colon)), formDecoded(text.slice(colon + 1))];
  if (clientId !== undefined && clientId !== id) throw refused('client_id', 'must be the one that is authenticated');
  return { method: 'client_secret_basic', clientId: id, secret };
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

const refused = (path: string, message: string) => new RequestRefused([{ path, message }]);
