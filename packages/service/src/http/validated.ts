import { RequestRefused } from '@rescind/revocation';
import type { z } from 'zod';

/** @throws RescindError `request_invalid` with what is wrong */
export function validated<T>(schema: z.ZodType<T>, value: unknown): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw new RequestRefused(result.error.issues.map(({ path, message }) => ({ path: path.join('.'), message })));
}

/** The refusal of a request for one thing that is wrong with it. */
export function requestRefused(message: string, path = ''): RequestRefused {
  return new RequestRefused([{ path, message }]);
}
