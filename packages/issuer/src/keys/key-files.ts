import type { KeyObject } from 'node:crypto';
import { createPublicKey } from 'node:crypto';
import { RescindError } from '@rescind/revocation';
import type { PublishedKey, SigningKey } from '@rescind/token/signing';
import { signingKeyFromPem, signingKeyToPem } from '@rescind/token/signing';
import type { KeyPurpose } from '../issuer-keys.ts';
import type { PrivateDirectory } from './directory.ts';

/** A key as its files have it. */
export interface HeldKey extends PublishedKey {
  /** Undefined once it has been retired: only the public half is left. */
  readonly signing: SigningKey | undefined;
}

/** The keys of one purpose, as files: `<purpose>-<kid>.pem`, and `<purpose>-<kid>.public.pem` of a retired one. */
export interface KeyFiles {
  read(): HeldKey[];
  write(key: SigningKey): void;
  /** The private half goes, the public one stays. */
  retire(key: HeldKey): HeldKey;
  remove(kid: string): void;
}

const PRIVATE = '.pem';
const PUBLIC = '.public.pem';

export function createKeyFiles(directory: PrivateDirectory, purpose: KeyPurpose): KeyFiles {
  const nameOf = (kid: string, ending: string) => `${purpose}-${kid}${ending}`;
  const textOf = (name: string) => directory.read(name) ?? '';

  function readAll(): HeldKey[] {
    const held = new Map<string, HeldKey>();
    const names = directory.names().filter((name) => name.startsWith(`${purpose}-`) && name.endsWith(PRIVATE));
    for (const name of names.sort()) {
      const key = name.endsWith(PUBLIC) ? readPublic(name, textOf(name)) : readPrivate(name, textOf(name));
      const ending = key.signing === undefined ? PUBLIC : PRIVATE;
      if (nameOf(key.kid, ending) !== name) throw unusable(`the key in ${name} is not the one of that name`);
      // Both are there when a retirement was cut short: it goes on from the private one.
      if (held.get(key.kid)?.signing === undefined) held.set(key.kid, key);
    }
    return [...held.values()];
  }

  function readPublic(name: string, pem: string): HeldKey {
    const kid = name.slice(purpose.length + 1, -PUBLIC.length);
    const publicKey = parse(name, () => createPublicKey(pem));
    return { kid, alg: publicKey.asymmetricKeyType === 'ec' ? 'ES256' : 'RS256', publicKey, signing: undefined };
  }

  return {
    read: readAll,
    write(key) {
      directory.write(nameOf(key.kid, PRIVATE), signingKeyToPem(key));
    },
    retire({ kid, alg, publicKey }) {
      directory.write(nameOf(kid, PUBLIC), publicPem(publicKey));
      directory.remove(nameOf(kid, PRIVATE));
      return { kid, alg, publicKey, signing: undefined };
    },
    remove(kid) {
      for (const ending of [PRIVATE, PUBLIC]) directory.remove(nameOf(kid, ending));
    },
  };
}

export function toHeld(signing: SigningKey): HeldKey {
  const { kid, alg, publicKey } = signing;
  return { kid, alg, publicKey, signing };
}

function readPrivate(name: string, pem: string): HeldKey {
  return toHeld(parse(name, () => signingKeyFromPem(pem)));
}

function publicPem(key: KeyObject): string {
  return key.export({ type: 'spki', format: 'pem' }).toString();
}

function parse<T>(name: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw unusable(`${name} is not a key of ours`, error);
  }
}

function unusable(detail: string, cause?: unknown): RescindError {
  return new RescindError('configuration_invalid', { detail, cause });
}
