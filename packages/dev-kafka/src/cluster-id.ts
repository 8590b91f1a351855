import { randomBytes } from 'node:crypto';

/** A cluster's id, as Kafka makes them: one that begins with `-` would be taken for an option where a broker is formatted. */
export function randomClusterId(): string {
  const id = randomBytes(16).toString('base64url');
  return id.startsWith('-') ? randomClusterId() : id;
}
