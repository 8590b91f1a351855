import type { KeyObject } from 'node:crypto';
import { createPublicKey } from 'node:crypto';
import { RescindError } from '@rescind/revocation';
import type { Jwks, PublishedKey, SigningAlgorithm, SigningKey } from '@rescind/token/signing';
import { generateSigningKey, publicJwks, signingKeyFromPem, signingKeyToPem } from '@rescind/token/signing';
import type { KeyPurpose, KeyState } from '../issuer-keys.ts';
import type { KeyReads, KeyRow } from '../store/store.ts';
import type { PrivateDirectory } from './directory.ts';

/**
 * The keys of one purpose. The database has their states (active, next, former, revoked), so that a change of a state
 * commits with what depends on it. The keys themselves are files.
 */
export interface Keyring {
  /** Loads the rows of these keys: at the start, and after each commit that has changed them. */
  load(rows: readonly KeyRow[]): void;
  /** The committed state of a key; undefined: the store has no such key. */
  stateOf(kid: string): KeyState | undefined;
  /** The loaded rows. */
  rows(): readonly KeyRow[];
  /** The kid of the key that signs. */
  activeKid(): string | undefined;
  /**
   * The key that signs.
   * @param kid the kid of that key, if the caller has read it; default: `activeKid()`
   * @throws RescindError `keys_unavailable` when its file is missing
   */
  active(kid?: string): SigningKey;
  /** The private half of the key with this kid. @throws RescindError `keys_unavailable` when its file is missing */
  requireSigning(kid: string | undefined): SigningKey;
  /** The public key of this name, if it is published. */
  find(kid: string, alg: string): KeyObject | undefined;
  /** The keys that are published, the one that signs first. */
  published(): readonly PublishedKey[];
  /** Their names. */
  kids(): string[];
  /** The kid of every key that has a file or a row, revoked ones included. */
  everyKid(): string[];
  /** The private half, if it is there. */
  signing(kid: string): SigningKey | undefined;
  /**
   * Whether the files are later than the database: the key that signs by the database has retired, or the files have another key
   * that the database does not know.
   */
  isAhead(): boolean;
  jwks(): Jwks;
  /** Makes a key and its file. The key is not in use before the database names it. */
  make(alg: SigningAlgorithm): SigningKey;
  /**
   * Makes the files agree with the database: removes the private halves of retired keys, and all files of revoked keys
   * and of those * that the database does not know. Only for a database that is the latest: those it does not know are published until
   * then, because they may have signed what a restored database has forgotten. @throws RescindError `keys_unavailable` as `active`
   */
  reconcileFiles(): void;
}

/** Loads the rows of every key into its keyring. */
export async function loadKeyrings(
  keys: KeyReads,
  keyrings: Readonly<Record<KeyPurpose, Pick<Keyring, 'load'>>>,
): Promise<void> {
  keyrings.token.load(await keys.all('token'));
  keyrings.event.load(await keys.all('event'));
}

export function openKeyring(directory: PrivateDirectory, purpose: KeyPurpose): Keyring {
  const files = createKeyFiles(directory, purpose);
  const held = new Map(files.read().map((key) => [key.kid, key]));
  let isReconciled = false;
  let rows = new Map<string, KeyRow>();
  const stateOf = (kid: string) => rows.get(kid)?.state;
  const activeKid = () => [...rows.values()].find(({ state }) => state === 'active')?.kid;

  function isPublished(kid: string): boolean {
    const state = stateOf(kid);
    return state === undefined ? !isReconciled : state !== 'revoked';
  }

  function published(): HeldKey[] {
    const inOrder = [...new Set([...rows.keys(), ...held.keys()])].map((kid) => held.get(kid));
    return inOrder.filter((key) => key !== undefined).filter(({ kid }) => isPublished(kid));
  }

  /** A key with a private half, for a restored database whose active key has retired since: only heartbeats are signed then. */
  function anyThatSigns(): SigningKey | undefined {
    return isReconciled ? undefined : published().find(({ signing }) => signing !== undefined)?.signing;
  }

  return {
    load(loaded) {
      rows = new Map(loaded.map((row) => [row.kid, row]));
    },
    rows: () => [...rows.values()],
    stateOf,
    activeKid,
    active(kid = activeKid()) {
      const key = (kid === undefined ? undefined : held.get(kid)?.signing) ?? anyThatSigns();
      if (key !== undefined) return key;
      throw withoutFile(purpose);
    },
    requireSigning(kid) {
      const key = kid === undefined ? undefined : held.get(kid)?.signing;
      if (key === undefined) throw withoutFile(purpose);
      return key;
    },
    find(kid, alg) {
      const key = held.get(kid);
      return key !== undefined && key.alg === alg && isPublished(kid) ? key.publicKey : undefined;
    },
    published,
    kids: () => published().map(({ kid }) => kid),
    everyKid: () => [...new Set([...rows.keys(), ...held.keys()])],
    signing: (kid) => held.get(kid)?.signing,
    isAhead() {
      const active = activeKid();
      if (active === undefined || held.get(active)?.signing !== undefined) return false;
      const isUnknown = ({ kid, signing }: HeldKey) => signing !== undefined && stateOf(kid) === undefined;
      return held.has(active) || [...held.values()].some(isUnknown);
    },
    jwks: () => publicJwks(published()),
    make(alg) {
      const key = generateSigningKey(alg);
      files.write(key);
      held.set(key.kid, toHeld(key));
      return key;
    },
    reconcileFiles() {
      const signing = activeKid();
      if (signing === undefined || held.get(signing)?.signing === undefined) throw withoutFile(purpose);
      isReconciled = true;
      for (const key of held.values()) {
        const state = stateOf(key.kid);
        if (state === undefined || state === 'revoked') {
          files.remove(key.kid);
          held.delete(key.kid);
        } else if (state === 'former' && key.signing !== undefined) held.set(key.kid, files.retire(key));
      }
    },
  };
}

function withoutFile(purpose: KeyPurpose): RescindError {
  return new RescindError('keys_unavailable', { detail: `the ${purpose} key that signs has no file` });
}

/** A key as its files have it. */
interface HeldKey extends PublishedKey {
  /** The private half; undefined for a retired key, which has only the public half. */
  readonly signing: SigningKey | undefined;
}

/** The keys of one purpose, as files: `<purpose>-<kid>.pem`, and `<purpose>-<kid>.public.pem` of a retired one. */
interface KeyFiles {
  read(): HeldKey[];
  write(key: SigningKey): void;
  /** Removes the private half, keeps the public one. */
  retire(key: HeldKey): HeldKey;
  remove(kid: string): void;
}

const PRIVATE = '.pem';
const PUBLIC = '.public.pem';

function createKeyFiles(directory: PrivateDirectory, purpose: KeyPurpose): KeyFiles {
  const nameOf = (kid: string, ending: string) => `${purpose}-${kid}${ending}`;
  const textOf = (name: string) => directory.read(name) ?? '';

  function readAll(): HeldKey[] {
    const held = new Map<string, HeldKey>();
    const names = directory.names().filter((name) => name.startsWith(`${purpose}-`) && name.endsWith(PRIVATE));
    for (const name of names.sort()) {
      const key = name.endsWith(PUBLIC) ? readPublic(name, textOf(name)) : readPrivate(name, textOf(name));
      const ending = key.signing === undefined ? PUBLIC : PRIVATE;
      if (nameOf(key.kid, ending) !== name) throw unusable(`the key in ${name} is not the one of that name`);
      // Both are there when a retirement was interrupted: it continues from the private one.
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

function toHeld(signing: SigningKey): HeldKey {
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
