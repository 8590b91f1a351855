import type { Denial } from '@rescind/revocation';
import { createRevocationId } from '@rescind/revocation';
import type { RevocationRecord } from '../issuer-revocations.ts';
import type { Unit } from '../transactions.ts';
import { inParts } from './parts.ts';

/** One revocation; as many events as it takes. @throws TypeError when it denies nothing */
export function appendRevocation(unit: Unit, reason: string, deny: readonly Denial[]): RevocationRecord {
  const txn = createRevocationId(unit.now());
  let record: RevocationRecord | undefined;
  for (const part of inParts(deny)) record = unit.append({ txn, reason, deny: part });
  if (record === undefined) throw new TypeError('revoke: at least one cut-off must be given');
  return record;
}
