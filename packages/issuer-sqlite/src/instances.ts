import type { StoreTransaction } from '@rescind/issuer/store';
import type Database from 'better-sqlite3';

type Instances = StoreTransaction['instances'];
type InstanceRow = Parameters<Instances['put']>[0];

/** A row of `rescind_instances`. */
interface Row extends Omit<InstanceRow, 'leases' | 'steps' | 'forgotten'> {
  readonly leases: string;
  readonly steps: string;
  readonly forgotten: number;
}

/** The instances that report how far they have applied the log. */
export function createInstances(database: Database.Database): Instances {
  const all = database.prepare<[], Row>(
    `SELECT id, client_id AS clientId, name, version, transport, suspect, epoch, seq, age_ms AS ageMs,
       reported_at AS reportedAt, leases, steps, forgotten
     FROM rescind_instances ORDER BY id`,
  );
  const put = database.prepare(
    `INSERT OR REPLACE INTO rescind_instances
       (id, client_id, name, version, transport, suspect, epoch, seq, age_ms, reported_at, leases, steps, forgotten)
     VALUES (@id, @clientId, @name, @version, @transport, @suspect, @epoch, @seq, @ageMs, @reportedAt, @leases, @steps,
       @forgotten)`,
  );
  const remove = database.prepare('DELETE FROM rescind_instances WHERE id = ?');
  return {
    all: async () =>
      all.all().map((row) => ({
        ...row,
        leases: JSON.parse(row.leases),
        steps: JSON.parse(row.steps),
        forgotten: row.forgotten === 1,
      })),
    async put(instance) {
      put.run({
        ...instance,
        leases: JSON.stringify(instance.leases),
        steps: JSON.stringify(instance.steps),
        forgotten: Number(instance.forgotten),
      });
    },
    async delete(id) {
      remove.run(id);
    },
  };
}
