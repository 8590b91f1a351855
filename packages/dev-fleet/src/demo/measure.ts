import { bearer, codeOf, request } from '../client.ts';
import { protectedUrl } from '../fleet.ts';
import type { ServiceProcess } from '../service-process.ts';

/** How an instance answered a token: the status, and the code of a refusal. */
export interface Verdict {
  readonly status: number;
  readonly code: string | undefined;
}

export async function ask(instance: ServiceProcess, token: string): Promise<Verdict> {
  const answer = await request(protectedUrl(instance), bearer(token));
  return { status: answer.status, code: codeOf(answer) };
}

/** How many of the instances accept the token now. */
export async function acceptedBy(instances: readonly ServiceProcess[], token: string): Promise<number> {
  const verdicts = await Promise.all(instances.map((instance) => ask(instance, token)));
  return verdicts.filter(({ status }) => status === 200).length;
}

export interface Refusal {
  readonly instance: string;
  /** From `since` to the answer that refused, in ms. */
  readonly ms: number;
}

/**
 * Asks each instance again and again until it refuses the token as revoked.
 * @param since a reading of performance.now()
 * @throws Error when one has not after `limitMs`, or answers with something else
 */
export async function untilRefused(
  instances: readonly ServiceProcess[],
  token: string,
  since: number,
  limitMs = 30_000,
): Promise<Refusal[]> {
  return Promise.all(
    instances.map(async (instance) => {
      for (;;) {
        const { status, code } = await ask(instance, token);
        const ms = performance.now() - since;
        if (status === 401 && code === 'token_revoked') return { instance: instance.name, ms };
        if (status !== 200) throw new Error(`${instance.name} answered ${status} ${code ?? ''}`);
        if (ms > limitMs) throw new Error(`${instance.name} still accepts the token after ${Math.round(ms)} ms`);
      }
    }),
  );
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  if (sorted.length === 0) return Number.NaN;
  return ((sorted[Math.ceil(middle) - 1] ?? 0) + (sorted[Math.floor(middle)] ?? 0)) / 2;
}

export const round = (ms: number): number => Math.round(ms * 10) / 10;
