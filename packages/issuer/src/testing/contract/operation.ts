import type { StoreReads, StoreTransaction } from '../../store/store.ts';
import type { Dump } from './dump.ts';

/** In the place of an answer: the call rejects. */
export const REJECTS = Symbol('rejects');

/** One operation on the samples of `fill`. */
export interface Operation {
  /** What is special about it, where a method has more than one. */
  readonly when?: string;
  /** What has to be there besides the samples. */
  given?(tx: StoreTransaction): Promise<void>;
  run(tx: StoreTransaction): Promise<unknown>;
  /** What it answers. Default: nothing. */
  readonly answer?: unknown;
  /** What the same call answers when it comes again; it changes nothing more. Default: as the first time. */
  readonly again?: unknown;
  /** What it makes of the rows; all others stay as they are. */
  changes(before: Dump): Partial<Dump>;
}

type Tables = Omit<StoreTransaction, 'sql' | 'savepoint'>;
type ReadsOf<T extends keyof Tables> = T extends keyof StoreReads ? keyof StoreReads[T] : 'softBeyond';
type WriteNames<T extends keyof Tables> = T extends keyof Tables
  ? `${T}.${Exclude<keyof Tables[T], ReadsOf<T>> & string}`
  : never;

/** An operation, or several, for each method of these tables that writes. */
export type Writes<T extends keyof Tables> = Readonly<Record<WriteNames<T>, Operation | readonly Operation[]>>;
