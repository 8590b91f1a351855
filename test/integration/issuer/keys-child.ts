import { writeSync } from 'node:fs';
import { openIssuer } from '@rescind/issuer';
import { sqliteStore } from '@rescind/issuer-sqlite';

// Revokes keys of both purposes, one after the other, until it is killed, and prints each acknowledged revocation.
const [databasePath = '', keysPath = ''] = process.argv.slice(2);
const issuer = await openIssuer({
  issuer: 'https://login.example',
  store: sqliteStore({ path: databasePath }),
  keysPath,
  subject: () => ({ claims: {}, credentialVersion: 1, active: true }),
  keyRotation: { algorithm: 'ES256', everyMs: 1_001, eventEveryMs: 1_001, publishBeforeMs: 1_000 },
});
for (let turn = 0; ; turn += 1) {
  const { sid } = await issuer.transaction((tx) =>
    tx.beginSession({ sub: 'ada', clientId: 'web', audience: 'prices', credentialVersion: 1 }),
  );
  await issuer.transaction((tx) => tx.endSession({ sid, reason: 'logout' }));
  writeSync(1, `sid ${sid}\n`);
  const purpose = turn % 3 === 0 ? 'event' : 'token';
  const key = (await issuer.keys.list()).find((one) => one.purpose === purpose && one.state === 'active');
  if (key === undefined) throw new Error(`no ${purpose} key signs`);
  await issuer.transaction((tx) => tx.keys.revoke({ kid: key.kid, reason: 'key_compromised' }));
  writeSync(1, `kid ${key.kid}\n`);
}
