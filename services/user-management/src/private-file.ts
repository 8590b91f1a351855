import { readFileSync, statSync } from 'node:fs';
import { ConfigurationError } from '@rescind/service/configuration';
import { hasMemberTwice } from '@rescind/service/http';
import { z } from 'zod';

/** A JSON file of secrets that a variable names. */
interface PrivateFile<T> {
  readonly variable: string;
  readonly path: string;
  readonly schema: z.ZodType<T>;
  /** The content that the file must have, after "must be". */
  readonly shape: string;
  /** Whether errors name the wrong members; they never contain a value. Default false. */
  readonly saysWhatIsWrong?: boolean;
}

/** The permissions of others in a file's mode. */
const OTHERS = 0o007;

/** @throws ConfigurationError the file cannot be read, is open to others, or is not of that shape; never with a secret */
export function readPrivateJson<T>({ variable, path, schema, shape, saysWhatIsWrong }: PrivateFile<T>): T {
  const refuse = (given: string, right: string) =>
    new ConfigurationError([{ variable, problem: `was given "${path}", which ${given}; must be ${right}` }]);
  let text: string;
  try {
    const found = statSync(path);
    // Reading a pipe could wait forever.
    if (!found.isFile()) throw refuse('is no file', 'the path of a file');
    if ((found.mode & OTHERS) !== 0) throw refuse('everybody may open', 'closed to others: chmod o= the file');
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof ConfigurationError) throw error;
    throw refuse('cannot be read', 'a file that can be read');
  }
  const value = parsed(text);
  if (value !== undefined && hasMemberTwice(text, value)) throw refuse('has a member twice', shape);
  const result = schema.safeParse(value);
  if (!result.success) throw refuse(saysWhatIsWrong ? problemsOf(result.error) : 'is none', shape);
  return result.data;
}

/** zod repeats no value that was given, only names and what would be right. */
function problemsOf(error: z.ZodError): string {
  return error.issues
    .map(({ path, message }) => (path.length === 0 ? 'is none' : `has ${path.join('.')} (${message})`))
    .join(', ');
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Random texts of 32 hex digits nearly always have more different ones; `aaaa…` and `changeme-changeme-…` have fewer. */
const MIN_DIFFERENT = 9;
/** Longer secrets are no stronger, and are hashed at each use. */
const MAX_CHARACTERS = 256;

/** A secret in a file: long enough, one line, and random. */
export function secretText(minCharacters: number): z.ZodType<string> {
  return z
    .string()
    .min(minCharacters, `must have at least ${minCharacters} characters`)
    .max(MAX_CHARACTERS, `must have at most ${MAX_CHARACTERS} characters`)
    .regex(/^[^\p{Cc}]+$/u, 'must be one line')
    .refine((text) => new Set(text).size >= MIN_DIFFERENT, 'must be random');
}
