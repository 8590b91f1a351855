import { z } from 'zod';
import { readPrivateJson } from '../private-file.ts';
import { GRANTABLE_SCOPES } from '../scopes.ts';
import { secretText } from '../secret-text.ts';

/** Somebody, or a program, who administers by a secret of their own. */
export interface Operator {
  readonly secret: string;
  readonly scopes: ReadonlySet<string>;
}

/** 32 characters of base64 have 192 bits, of hex 128: beyond guessing, however fast. */
const LEAST_SECRET_LENGTH = 32;

const operators = z.record(
  z.string().regex(/^[\w.@-]{1,64}$/),
  z.strictObject({
    secret: secretText(LEAST_SECRET_LENGTH),
    scopes: z
      .array(z.string().refine((scope) => GRANTABLE_SCOPES.has(scope)))
      .min(1)
      .transform((scopes) => new Set(scopes)),
  }),
);

/**
 * Reads `{ "<name>": { "secret": "<secret>", "scopes": ["admin:users:read", …] } }`. No file: nobody.
 * @throws ConfigurationError the file cannot be read, is open to others, or is not of that shape; never with a secret
 */
export function readOperators(path: string | undefined): ReadonlyMap<string, Operator> {
  if (path === undefined) return new Map();
  const read = readPrivateJson<Record<string, Operator>>({
    variable: 'ADMIN_OPERATORS_FILE',
    path,
    schema: operators,
    shape:
      'a JSON object { "<name>": { "secret": "<32 to 256 random characters>", "scopes": [<of the admin scopes>] } }, names of 1 to 64 letters, digits, . _ @ -',
  });
  return new Map(Object.entries(read));
}
