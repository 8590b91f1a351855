import { clientIdPattern } from '@rescind/revocation/http';
import { z } from 'zod';
import { readPrivateJson } from './private-file.ts';
import { secretText } from './secret-text.ts';

/** RFC 6749 appendix A.1, and a colon would end it in HTTP Basic. A secret of 16 characters of base64 has 96 bits. */
export const feedClientId = z.string().regex(clientIdPattern(64), 'must be 1 to 64 visible ASCII characters');
const clients = z.record(feedClientId, secretText(16));

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
    shape: 'a JSON object of client ids (visible ASCII without colon) and secrets of 16 to 256 random characters',
  });
}
