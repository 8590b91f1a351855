import type { Answer, Tokens } from '../client.ts';
import type { Fleet } from '../fleet.ts';
import type { ServiceProcess } from '../service-process.ts';
import type { Refusal } from './measure.ts';
import { acceptedBy, untilRefused } from './measure.ts';

export async function logOutAndWatch({ client, instances }: Fleet, tokens: Tokens): Promise<Refusal[]> {
  expectStatus(await client.logout(tokens.access_token), 204, 'logout');
  return untilRefused(instances, tokens.access_token, performance.now());
}

export async function expectAccepted(instances: readonly ServiceProcess[], tokens: Tokens): Promise<void> {
  const accepted = await acceptedBy(instances, tokens.access_token);
  if (accepted !== instances.length) throw new Error(`only ${accepted} of ${instances.length} accept it`);
}

export function expectStatus(answer: Answer, status: number, what: string): void {
  if (answer.status !== status) throw new Error(`${what} answered ${answer.status} instead of ${status}`);
}

export const slowest = (refusals: readonly Refusal[]): number => Math.max(...refusals.map(({ ms }) => ms));
