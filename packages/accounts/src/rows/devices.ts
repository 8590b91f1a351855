import { isIPv6 } from 'node:net';
import type { HostSql } from '@rescind/issuer-sqlite';
import type { EpochMillis } from '@rescind/revocation';
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

/** More than anybody has; beyond, the one that was not seen for longest is removed. */
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

const IPV4_MAPPED = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i;

/** The network of an address, which shows the region and not the household: IPv4 /24, IPv6 /48. */
export function coarseAddress(address: string | undefined): string | undefined {
  if (address === undefined) return undefined;
  const plain = IPV4_MAPPED.exec(address)?.[1] ?? address;
  if (!isIPv6(plain)) return plain.replace(/\.\d+$/, '.0/24');
  const [head = '', tail] = (plain.split('%')[0] ?? '').split('::');
  const groups = head === '' ? [] : head.split(':');
  const missing = tail === undefined ? 0 : 8 - groups.length - (tail === '' ? 0 : tail.split(':').length);
  const network = [...groups, ...Array(missing).fill('0'), ...(tail ?? '').split(':')].slice(0, 3);
  return `${network.map((group) => Number.parseInt(group || '0', 16).toString(16)).join(':')}::/48`;
}
