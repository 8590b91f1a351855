import type { Issuer, RegisteredClient } from '@rescind/issuer';
import type { Telemetry } from '@rescind/revocation';
import type { Request } from 'express';
import { readClientProof } from './client-proof.ts';
import type { ClientForm } from './forms.ts';

/** Which client sent a request. @throws RescindError `client_invalid`, `request_invalid` */
export type AuthenticateClient = (request: Request, form: ClientForm) => RegisteredClient;

/** @param audiences what an assertion may be for, beside the issuer: the addresses of the endpoints */
export function createClientAuthentication(
  clients: Issuer['clients'],
  telemetry: Telemetry,
  audiences: readonly string[],
): AuthenticateClient {
  return (request, form) => {
    const proof = readClientProof(request, form, audiences);
    try {
      return clients.authenticate(proof);
    } catch (error) {
      telemetry.log('warn', 'authn_client_fail', { method: proof.method });
      throw error;
    }
  };
}
