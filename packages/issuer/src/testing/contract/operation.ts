import type { StoreReads, StoreTransaction } from '../../store/store.ts';
import type { Dump } from './dump.ts';

/** The `answer` of an operation whose call rejects. */
export const REJECTS = Symbol('rejects');

/** One operation on the samples of `fill`. */
export interface Operation {
  /** The case that the operation tests, where a method has several operations. */
  readonly when?: string;
  /** Writes the rows that the operation requires besides the samples. */
  given?(tx: StoreTransaction): Promise<void>;
  run(tx: StoreTransaction): Promise<unknown>;
  /** The expected result. Default: nothing. */
  readonly answer?: unknown;
  /** The expected result of the same call again. Default: as the first time. */
  readonly again?: unknown;
  /** The expected change of the rows; all others stay as they are. */
  changes(before: Dump): Partial<Dump>;
  /** The expected change of the rows by both calls. Default: the same call again changes no rows. */
  changesAgain?(before: Dump): Partial<Dump>;
}

type Tables = Omit<StoreTransaction, 'sql' | 'savepoint'>;
type ReadsOf<T extends keyof Tables> = T extends keyof StoreReads ? keyof StoreReads[T] : 'softBeyond';
type WriteNames<T extends keyof Tables> = T extends keyof Tables
  ? `${T}.${Exclude<keyof Tables[T], ReadsOf<T>> & string}`
  : never;

/** An operation, or several, for each method of these tables that writes. */
export type Writes<T extends keyof Tables> = Readonly<Record<WriteNames<T>, Operation | readonly Operation[]>>;
