import type { Case } from '../case.ts';
import { lookup } from './lookup.ts';
import { p1 } from './p1-seen.ts';
import { p2 } from './p2-never-seen.ts';
import { p5Storage } from './p5-storage.ts';
import { p6 } from './p6-size.ts';
import { p7Judge } from './p7-ten-million.ts';

/** In the order of the table in docs/benchmarks.md. A new case is a file here and a line in this list. */
export const cases: readonly Case[] = [p1, p2, p5Storage, p6, p7Judge, lookup];
