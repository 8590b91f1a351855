import '../errors.ts';

export type { TestIssuer, TestIssuerOptions } from './kit.ts';
export { openTestIssuer } from './kit.ts';
export type { MemoryRows, MemoryStore, MemoryStoreOptions } from './memory/store.ts';
export { memoryStore } from './memory/store.ts';
