import '../errors.ts';

export type { Receipts, ReceiptsOptions } from '../instances/receipts.ts';
export { createReceipts } from '../instances/receipts.ts';
export type { RelayCore, RelayEffect, RelayInput, RelaySend, RelayState } from '../relay/core.ts';
export { composeBatch, createRelayCore } from '../relay/core.ts';
export type { TestIssuer, TestIssuerOptions } from './kit.ts';
export { openTestIssuer } from './kit.ts';
export type { MemoryRows, MemoryStore, MemoryStoreOptions } from './memory/store.ts';
export { memoryStore } from './memory/store.ts';
