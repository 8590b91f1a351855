import { readFileSync, statSync } from 'node:fs';
import { ConfigurationError } from '@rescind/service/configuration';
import { z } from 'zod';

/** A client id goes into HTTP Basic, where a colon ends it. A secret of 16 characters of base64 has 96 bits. */
const clients = z.record(z.string().regex(/^[^:\p{Cc}]{1,64}$/u), z.string().min(16).max(256));

/** Who may read anything of others in a file's mode. */
const OTHERS = 0o007;

/**
 * Reads who may read revocations: `{ "<client id>": "<secret>" }`. No file: nobody.
 * @throws ConfigurationError the file cannot be read, is open to others, or is not of that shape; never with a secret
 */
export function readFeedClients(path: string | undefined): Record<string, string> {
  if (path === undefined) return {};
  const refuse = (given: string, right: string) =>
    new ConfigurationError([
      { variable: 'FEED_CLIENTS_FILE', problem: `was given "${path}", which ${given}; must be ${right}` },
    ]);
  const shape = 'a JSON object of client ids (without colon) and secrets of 16 to 256 characters';
  let text: string;
  try {
    if ((statSync(path).mode & OTHERS) !== 0) throw refuse('everybody may open', 'closed to others: chmod o= the file');
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof ConfigurationError) throw error;
    throw refuse('cannot be read', 'a file that can be read');
  }
  const result = clients.safeParse(parsed(text));
  if (!result.success) throw refuse('is none', shape);
  return result.data;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
