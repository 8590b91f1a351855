import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A token, and how the judge decides about it after the log has been read. */
export interface TokenVector {
  /** The header's `kid`. */
  readonly kid: string;
  readonly payload: Readonly<Record<string, unknown>>;
  readonly denied: boolean;
  /** The cut-off that denies it, or the claim that cannot be compared; null when the token is accepted. */
  readonly by:
    | { readonly iss: string; readonly claim: string; readonly value: string }
    | { unjudgeable: string }
    | null;
  /** Whether the cut-off ends the token's session too. */
  readonly endsSession?: boolean;
}

/** A response of `/.well-known/event-jwks.json`. */
export interface KeySet {
  readonly keys: readonly { readonly kid: string }[];
  readonly epoch: string;
  readonly epoch_kid: string;
}

/** One file of docs/vectors: what a reader receives, and what it has to conclude. */
export interface Vector {
  readonly name: string;
  readonly about: string;
  readonly log: string;
  readonly issuers: readonly string[];
  /** The reader's wall clock, ms since 1970. */
  readonly wall: number;
  /**
   * In order: `served`, the set of event keys that the issuer responds with from here on; `keys`, the same, and the reader fetches it here
   * by its own schedule; `records`, which a transport delivers live.
   */
  readonly steps: readonly (
    | { readonly keys: KeySet }
    | { readonly served: KeySet }
    | { readonly records: readonly string[] }
  )[];
  /** Members that are absent are not compared. */
  readonly expected: {
    readonly epoch?: string;
    readonly seq?: number;
    readonly head?: number;
    readonly complete?: boolean;
    /** The `iat_ms` of the heartbeat by which the view was last complete; 0: never. */
    readonly completeAt?: number;
    readonly suspect?: string | null;
  };
  readonly tokens: readonly TokenVector[];
}

export const VECTORS = join(import.meta.dirname, '../../docs/vectors');

export function readVectors(): Vector[] {
  return globSync('*.json', { cwd: VECTORS })
    .sort()
    .map((name) => JSON.parse(readFileSync(join(VECTORS, name), 'utf8')));
}
