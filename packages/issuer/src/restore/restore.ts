import type { RestoreOptions, RestoreReport } from '../issuer.ts';

/** Opens a new epoch on a restored database. @throws RescindError `database_locked` */
export async function restoreIssuer(options: RestoreOptions): Promise<RestoreReport> {
  throw new TypeError(`not written yet: ${options.issuer}`);
}
