import type { z } from 'zod';
import { RequestRefused } from './invalid.ts';

/** @throws RescindError `request_invalid` with what is wrong */
export function validated<T>(schema: z.ZodType<T>, value: unknown): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw new RequestRefused(result.error.issues.map(({ path, message }) => ({ path: path.join('.'), message })));
}
