import type { IncomingMessage } from 'node:http';
import { z } from 'zod';
import { readJson } from '../http/body.ts';

/** Says of a token, or of claims, what refuses it: for those who run the service. */
export type Explain = (tokenOrClaims: string | Readonly<Record<string, unknown>>) => object;

const question = z.union(
  [z.strictObject({ token: z.string().min(1) }), z.strictObject({ claims: z.record(z.string(), z.unknown()) })],
  { error: 'must be { "token": … } or { "claims": { … } }' },
);

/** Reads `{ "token" }` or `{ "claims" }` and answers it. @throws RescindError as `readJson` does */
export async function answerExplain(request: IncomingMessage, explain: Explain): Promise<object> {
  const asked = await readJson(request, question);
  return explain('token' in asked ? asked.token : asked.claims);
}
