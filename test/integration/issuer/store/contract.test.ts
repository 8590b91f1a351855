import { storeContract } from '@rescind/issuer/testing/store-contract';
import { describe, test } from 'vitest';
import { testedMemoryStore } from './tested-memory-store.ts';
import { testedSqliteStore } from './tested-sqlite-store.ts';

describe('the store of maps', () => {
  for (const { name, run } of storeContract(testedMemoryStore)) test(name, run);
});

describe('the store in an SQLite file', () => {
  for (const { name, run } of storeContract(testedSqliteStore)) test(name, run);
});
