import { writeSync } from 'node:fs';
import { openIssuer } from '@rescind/issuer';
import { sqliteStore } from '@rescind/issuer-sqlite';

// Logs in and out until it is killed, and prints each logout as soon as it is acknowledged.
const [databasePath = '', keysPath = ''] = process.argv.slice(2);
const issuer = await openIssuer({
  issuer: 'https://login.example',
  store: sqliteStore({ path: databasePath }),
  keysPath,
  subject: () => ({ claims: {}, credentialVersion: 1, active: true }),
});
for (;;) {
  const { sid } = await issuer.transaction((tx) =>
    tx.beginSession({ sub: 'ada', clientId: 'web', audience: 'prices', credentialVersion: 1 }),
  );
  const record = await issuer.transaction((tx) => tx.endSession({ sid, reason: 'logout' }));
  writeSync(1, `${record?.seq} ${sid}\n`);
}
