import type { Issuer, IssuerOptions } from './issuer.ts';

/** Opens the database, the keys and the relay. @throws RescindError `database_locked`, `database_newer` */
export function openIssuer(options: IssuerOptions): Issuer {
  throw new TypeError(`not written yet: ${options.issuer}`);
}
