import { z } from 'zod';

/** Of 32 random hex digits hardly ever fewer are different; of `aaaa…` and `changeme-changeme-…` they are. */
const LEAST_DIFFERENT = 9;
/** Longer ones are no stronger, and are hashed at each use. */
const MOST_CHARACTERS = 256;

/** A secret that stands in a file: long enough, one line, and nothing that somebody typed in a hurry. */
export function secretText(leastCharacters: number): z.ZodType<string> {
  return z
    .string()
    .min(leastCharacters, `must have at least ${leastCharacters} characters`)
    .max(MOST_CHARACTERS, `must have at most ${MOST_CHARACTERS} characters`)
    .regex(/^[^\p{Cc}]+$/u, 'must be one line')
    .refine((text) => new Set(text).size >= LEAST_DIFFERENT, 'must be random');
}
