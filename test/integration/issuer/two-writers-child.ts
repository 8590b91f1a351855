import { openIssuer } from '@rescind/issuer';
import { sqliteStore } from '@rescind/issuer-sqlite';

// Uses one refresh token many times at once on command, and prints the result of each.
const [databasePath = '', keysPath = '', refreshToken = '', uses = ''] = process.argv.slice(2);
const issuer = await openIssuer({
  issuer: 'https://login.example',
  store: sqliteStore({ path: databasePath }),
  keysPath,
  subject: () => ({ claims: {}, credentialVersion: 1, active: true }),
});
process.stdout.write('ready\n');
process.stdin.once('data', async () => {
  const all = Array.from({ length: Number(uses) }, () => issuer.refresh({ refreshToken, clientId: 'web' }));
  const answers = await Promise.all(all);
  process.stdout.write(`${JSON.stringify(answers.map((answer) => answer.refresh_token))}\n`);
  await issuer.close();
  process.stdin.destroy();
});
