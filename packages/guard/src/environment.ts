import cluster from 'node:cluster';

/** pm2 numbers its instances from 0, and keeps the number when it restarts one. */
const INSTANCE = 'NODE_APP_INSTANCE';

/**
 * The number of this process among those of one service: `NODE_APP_INSTANCE` (pm2, or whatever the primary process passes to `cluster.fork`), else the
 * id of the cluster worker, else 0.
 * @throws TypeError for a variable that is no name of a file
 */
export function workerName(): string {
  const instance = process.env[INSTANCE];
  if (instance === undefined || instance === '') return String(cluster.worker?.id ?? 0);
  if (/^[\w-]{1,64}$/.test(instance)) return instance;
  throw new TypeError(`${INSTANCE} must be letters, digits, underscore and hyphen where denylistPath has {worker}`);
}
