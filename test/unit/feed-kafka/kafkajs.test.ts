import { createRequire } from 'node:module';
import { patchRequestQueue } from '@rescind/feed-kafka/testing';
import { expect, test } from 'vitest';

const require = createRequire(import.meta.url);

// packages/feed-kafka relies on these beyond kafkajs's documentation. When a test fails here, read
// docs/decisions/kafka-kafkajs.md before changing the expected value.
test('kafkajs has the version whose faults are known', () => {
  expect(require('kafkajs/package.json')).toMatchObject({ version: '2.2.4' });
});

test('the request queue of kafkajs has the source that the patch replaces', () => {
  expect(patchRequestQueue()).toBe(true);
});
