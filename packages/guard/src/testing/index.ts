export type { MemoryLog, MemoryRecord, MemoryTransportOptions } from '@rescind/feed/testing';
export { createMemoryLog, memoryTransport } from '@rescind/feed/testing';
export type { TestRevocation } from './issuer.ts';
export type { TestKit, TestKitOptions } from './kit.ts';
export { openTestKit } from './kit.ts';
