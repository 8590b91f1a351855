import { randomBytes } from 'node:crypto';
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { GRANTABLE_SCOPES } from '../scopes.ts';

/**
 * Makes the credentials with which services read the revocation log, and those of one operator who may administer
 * everything: `node main.js <directory of the issuer> <client id>=<directory of that service> …`. Writes
 * `feed-clients.json`, `operators.json` and `clients.json` (`web`, which may renew by its access token, and `console`) for the issuer and
 * `feed-client-secret` for each service, readable by the owner only. What is there already stays.
 */
const SECRET_BYTES = 32;

const [issuerDirectory, ...clients] = process.argv.slice(2);
if (issuerDirectory === undefined || clients.length === 0 || !clients.every((client) => /^[\w-]+=./.test(client))) {
  console.error('usage: make-secrets <directory of the issuer> <client id>=<directory of that service> …');
  process.exit(2);
}

const secrets: Record<string, string> = {};
for (const client of clients) {
  const [id = '', directory = ''] = client.split('=', 2);
  const file = join(directory, 'feed-client-secret');
  if (!existsSync(file)) writePrivate(file, randomBytes(SECRET_BYTES).toString('base64url'));
  secrets[id] = readFileSync(file, 'utf8').trim();
}
writePrivate(join(issuerDirectory, 'feed-clients.json'), JSON.stringify(secrets));
const operatorsFile = join(issuerDirectory, 'operators.json');
if (!existsSync(operatorsFile)) {
  // The halves `:read` and `:write` are part of them.
  const scopes = [...GRANTABLE_SCOPES].filter((scope) => !/:(read|write)$/.test(scope));
  const operators = { admin: { secret: randomBytes(SECRET_BYTES).toString('base64url'), scopes } };
  writePrivate(operatorsFile, JSON.stringify(operators));
}
const clientsFile = join(issuerDirectory, 'clients.json');
if (!existsSync(clientsFile)) {
  const web = { name: 'Web', authMethod: 'none', policy: { renewByToken: true } };
  writePrivate(clientsFile, JSON.stringify({ web, console: { name: 'Console', authMethod: 'none' } }));
}
console.log(`credentials for ${Object.keys(secrets).join(', ')} are in place`);

/** Durable, and either the old content or the new, whenever the process or the machine ends. */
function writePrivate(file: string, text: string): void {
  const temporary = `${file}.${randomBytes(4).toString('hex')}.tmp`;
  try {
    writeFileSync(temporary, text, { mode: 0o600, flag: 'wx', flush: true });
    renameSync(temporary, file);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
  const directory = openSync(dirname(file), 'r');
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
}
