import type { KeyObject } from 'node:crypto';
import { RescindError } from '@rescind/revocation';
import type { Jwks, SigningKey } from '@rescind/token';
import { generateSigningKey, publicJwks, signingKeyFromPem, signingKeyToPem } from '@rescind/token';
import type { KeyPurpose, Keys } from '../sql/keys.ts';
import type { PrivateDirectory } from './directory.ts';

/**
 * The keys of one purpose. Which of them signs and which are revoked is in the database, so that it commits with the
 * revocation; the keys themselves are files.
 */
export interface Keyring {
  /** The key that signs. @throws RescindError `keys_unavailable` when its file is missing */
  active(): SigningKey;
  /** The public key of this name, unless it has been revoked. */
  find(kid: string, alg: string): KeyObject | undefined;
  kids(): string[];
  /** Every kid there is a file or a row of, revoked ones included. */
  everyKid(): string[];
  jwks(): Jwks;
  /** Makes a key and its file. Nothing knows it until the database does. */
  make(): SigningKey;
  /** Removes the files of revoked keys. */
  sweep(): void;
}

export function openKeyring(directory: PrivateDirectory, keys: Keys, purpose: KeyPurpose): Keyring {
  const held = new Map(readFiles(directory, purpose).map((key) => [key.kid, key]));
  const revoked = () => keys.all(purpose).filter(({ state }) => state === 'revoked');
  const published = () => {
    const dropped = new Set(revoked().map(({ kid }) => kid));
    return [...held.values()].filter(({ kid }) => !dropped.has(kid));
  };
  return {
    active() {
      const kid = keys.active(purpose);
      const key = kid === undefined ? undefined : held.get(kid);
      if (key !== undefined) return key;
      throw new RescindError('keys_unavailable', { detail: `the ${purpose} key that signs has no file` });
    },
    find(kid, alg) {
      const key = held.get(kid);
      if (key === undefined || key.alg !== alg) return undefined;
      return revoked().some((row) => row.kid === kid) ? undefined : key.publicKey;
    },
    kids: () => published().map(({ kid }) => kid),
    everyKid: () => [...new Set([...keys.all(purpose).map(({ kid }) => kid), ...held.keys()])],
    jwks: () => publicJwks(published()),
    make() {
      const key = generateSigningKey();
      directory.write(fileName(purpose, key.kid), signingKeyToPem(key));
      held.set(key.kid, key);
      return key;
    },
    sweep() {
      for (const { kid } of revoked()) {
        if (held.delete(kid)) directory.remove(fileName(purpose, kid));
      }
    },
  };
}

function fileName(purpose: KeyPurpose, kid: string): string {
  return `${purpose}-${kid}.pem`;
}

function readFiles(directory: PrivateDirectory, purpose: KeyPurpose): SigningKey[] {
  const names = directory.names().filter((name) => name.startsWith(`${purpose}-`) && name.endsWith('.pem'));
  return names.sort().map((name) => {
    const key = readFile(directory, name);
    if (fileName(purpose, key.kid) === name) return key;
    throw new RescindError('configuration_invalid', { detail: `the key in ${name} is not the one of that name` });
  });
}

function readFile(directory: PrivateDirectory, name: string): SigningKey {
  try {
    return signingKeyFromPem(directory.read(name) ?? '', 'RS256');
  } catch (error) {
    throw new RescindError('configuration_invalid', { detail: `${name} is not a private key of ours`, cause: error });
  }
}
