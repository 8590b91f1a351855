import type { ClientProof, Issuer, RegisteredClient } from '@rescind/issuer';
import type { Telemetry } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import type { Request } from 'express';
import type { FailedCredentials } from '../http/failed-credentials.ts';
import { readClientProof } from './client-proof.ts';
import type { ClientForm } from './forms.ts';

/** Which client sent a request. @throws RescindError `client_invalid`, `rate_limited`, `request_invalid` */
export type AuthenticateClient = (request: Request, form: ClientForm) => Promise<RegisteredClient>;

interface ClientAuthenticationOptions {
  readonly clients: Issuer['clients'];
  readonly failedCredentials: FailedCredentials;
  readonly telemetry: Telemetry;
}

/** Authenticates OAuth clients, and counts what could not be. */
export function createClientAuthentication(options: ClientAuthenticationOptions): AuthenticateClient {
  const { clients, failedCredentials, telemetry } = options;
  return async (request, form) => {
    let proof: ClientProof | undefined;
    try {
      proof = readClientProof(request, form);
      return await clients.authenticate(proof);
    } catch (error) {
      if (error instanceof RescindError && error.code === 'client_invalid') {
        failedCredentials.count(request, proof?.clientId ?? '');
        telemetry.log('warn', 'authn_client_fail', { method: proof?.method ?? 'unreadable' });
      }
      throw error;
    }
  };
}
