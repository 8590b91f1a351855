import { z } from 'zod';
import { readPrivateJson } from './private-file.ts';

/** A client id goes into HTTP Basic, where a colon ends it. A secret of 16 characters of base64 has 96 bits. */
const clients = z.record(z.string().regex(/^[^:\p{Cc}]{1,64}$/u), z.string().min(16).max(256));

/**
 * Reads who may read revocations: `{ "<client id>": "<secret>" }`. No file: nobody.
 * @throws ConfigurationError the file cannot be read, is open to others, or is not of that shape; never with a secret
 */
export function readFeedClients(path: string | undefined): Record<string, string> {
  if (path === undefined) return {};
  return readPrivateJson({
    variable: 'FEED_CLIENTS_FILE',
    path,
    schema: clients,
    shape: 'a JSON object of client ids (without colon) and secrets of 16 to 256 characters',
  });
}
