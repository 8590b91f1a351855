import { storeContract } from '@rescind/issuer/testing/store-contract';
import { test } from 'vitest';
import { sqlitePlace } from './sqlite-place.ts';

for (const { name, run } of storeContract(sqlitePlace)) test(name, run);
