import { isIP } from 'node:net';
import type { HostSql } from '@rescind/issuer-sqlite';
import type { EpochMillis } from '@rescind/revocation';
import ipaddr from 'ipaddr.js';
import type { Sealer } from '../sealer.ts';

/** The network and the device of a login. */
export interface DeviceAttributes {
  /** Made and stored by the application; it identifies the device. */
  readonly deviceId?: string | undefined;
  readonly deviceName?: string | undefined;
  readonly userAgent?: string | undefined;
  readonly address?: string | undefined;
}

/** Devices that have logged in to an account, as fingerprints under a key. Writes are inside transactions. */
export interface DeviceRows {
  /** Remembers the device. @returns whether it was unknown */
  add(sub: string, traits: DeviceAttributes, at: EpochMillis): boolean;
  /** The fingerprint of a known device. */
  find(sub: string, traits: DeviceAttributes): Buffer | undefined;
  remove(sub: string): void;
}

/** Devices per account. Beyond it the least recently seen one is removed. */
const MAX_DEVICES = 50;

export function createDeviceRows(sql: HostSql, sealer: Sealer): DeviceRows {
  const insert = sql.prepare(
    `INSERT INTO account_devices (sub, fingerprint, seen_at) VALUES (@sub, @fingerprint, @at)
     ON CONFLICT (sub, fingerprint) DO NOTHING`,
  );
  const see = sql.prepare('UPDATE account_devices SET seen_at = @at WHERE sub = @sub AND fingerprint = @fingerprint');
  const trim = sql.prepare(
    `DELETE FROM account_devices WHERE sub = @sub AND fingerprint IN (
       SELECT fingerprint FROM account_devices WHERE sub = @sub ORDER BY seen_at DESC LIMIT -1 OFFSET ${MAX_DEVICES}
     )`,
  );
  const find = sql
    .prepare<[string, Buffer], Buffer>('SELECT fingerprint FROM account_devices WHERE sub = ? AND fingerprint = ?')
    .pluck();
  const remove = sql.prepare('DELETE FROM account_devices WHERE sub = ?');
  return {
    add(sub, traits, at) {
      const row = { sub, fingerprint: sealer.fingerprint(describe(sub, traits)), at };
      const isNew = insert.run(row).changes === 1;
      if (isNew) trim.run({ sub });
      else see.run(row);
      return isNew;
    },
    find: (sub, traits) => find.get(sub, sealer.fingerprint(describe(sub, traits))),
    remove: (sub) => void remove.run(sub),
  };
}

/** An id is the device wherever it is; without one a device is its name and program at a place. */
function describe(sub: string, { deviceId, deviceName, userAgent, address }: DeviceAttributes): string {
  if (deviceId !== undefined) return JSON.stringify([sub, 'id', deviceId]);
  return JSON.stringify([sub, 'place', deviceName ?? '', userAgent ?? '', coarseAddress(address) ?? '']);
}

/** The network of an address, which shows the region and not the household: IPv4 /24, IPv6 /48. */
export function coarseAddress(address: string | undefined): string | undefined {
  if (address === undefined) return undefined;
  const parsed = isIP(address) === 0 ? undefined : ipaddr.process(address);
  if (parsed === undefined || !('parts' in parsed)) return (parsed?.toString() ?? address).replace(/\.\d+$/, '.0/24');
  const network = parsed.parts.slice(0, 3);
  return `${network.map((group) => group.toString(16)).join(':')}::/48`;
}
