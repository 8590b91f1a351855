export { openBulkDecoder } from '../bulk-decoder.ts';
export { createPageVerifier } from '../event/page.ts';
export type { MemoryCursor, MemoryLog, MemoryRecord } from './memory.ts';
export { createMemoryLog, openMemoryCursor } from './memory.ts';
export type { MemoryTransportOptions } from './transport.ts';
export { memoryTransport } from './transport.ts';
