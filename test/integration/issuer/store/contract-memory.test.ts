import { storeContract } from '@rescind/issuer/testing/store-contract';
import { test } from 'vitest';
import { memoryPlace } from './memory-place.ts';

for (const { name, run } of storeContract(memoryPlace)) test(name, run);
