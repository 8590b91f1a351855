import type { FleetResponse, Tokens } from '../client.ts';
import { bearer, codeOf, request } from '../client.ts';
import type { Fleet } from '../fleet.ts';
import { protectedUrl } from '../fleet.ts';
import type { ServiceProcess } from '../service-process.ts';

/** The response of an instance to a token: its status, and the code of a refusal. */
interface Verdict {
  readonly status: number;
  readonly code: string | undefined;
}

/** Sends a request with the token to an instance. */
export async function ask(instance: ServiceProcess, token: string): Promise<Verdict> {
  const answer = await request(protectedUrl(instance), bearer(token));
  return { status: answer.status, code: codeOf(answer) };
}

/** How many of the instances accept the token. */
async function acceptedBy(instances: readonly ServiceProcess[], token: string): Promise<number> {
  const verdicts = await Promise.all(instances.map((instance) => ask(instance, token)));
  return verdicts.filter(({ status }) => status === 200).length;
}

interface Refusal {
  readonly instance: string;
  /** Time from `since` to the refusing response, in ms. */
  readonly ms: number;
}

/**
 * Sends requests to each instance until it refuses the token as revoked.
 * @param since a reading of performance.now()
 * @throws Error when an instance still accepts it after `limitMs`, or has another response
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

export async function logOutAndWatch({ client, instances }: Fleet, tokens: Tokens): Promise<Refusal[]> {
  expectStatus(await client.logout(tokens.access_token), 204, 'logout');
  return untilRefused(instances, tokens.access_token, performance.now());
}

export async function expectAccepted(instances: readonly ServiceProcess[], tokens: Tokens): Promise<void> {
  const accepted = await acceptedBy(instances, tokens.access_token);
  if (accepted !== instances.length) throw new Error(`only ${accepted} of ${instances.length} accept it`);
}

export function expectStatus(answer: FleetResponse, status: number, what: string): void {
  if (answer.status !== status) throw new Error(`${what} answered ${answer.status} instead of ${status}`);
}

export const slowest = (refusals: readonly Refusal[]): number => Math.max(...refusals.map(({ ms }) => ms));
