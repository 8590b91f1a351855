import { InvalidArgumentError } from 'commander';

/** Reads a count of an option. @throws InvalidArgumentError */
export function readCount(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError('must be a whole number of at least 1');
  return Number(text);
}

/** Collects an option that may be repeated. */
export const collect = (value: string, before: readonly string[] | undefined): readonly string[] => [
  ...(before ?? []),
  value,
];

/** Reads `claim=value`. @throws InvalidArgumentError */
export function collectClaim(text: string, before: readonly Claim[] | undefined): readonly Claim[] {
  const [, claim, value] = /^([^=]+)=(.+)$/s.exec(text) ?? [];
  if (claim === undefined || value === undefined) throw new InvalidArgumentError('must be claim=value');
  return [...(before ?? []), { claim, value }];
}

interface Claim {
  readonly claim: string;
  readonly value: string;
}
