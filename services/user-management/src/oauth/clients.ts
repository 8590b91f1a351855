import { RescindError } from '@rescind/revocation';

/** Applications that may hold tokens. */
export interface Client {
  readonly clientId: string;
}

/** First-party and public: it runs where its users are and can keep no secret (RFC 6749 section 2.1). */
const WEB: Client = { clientId: 'web' };

/**
 * The client a request names; `web` when it names none.
 * @param authorization the request's header: public clients have nothing to authenticate with
 * @throws RescindError `client_invalid`
 */
export function requireClient(clientId: string | undefined, authorization?: string): Client {
  if ((clientId ?? WEB.clientId) !== WEB.clientId || authorization !== undefined) {
    throw new RescindError('client_invalid');
  }
  return WEB;
}
