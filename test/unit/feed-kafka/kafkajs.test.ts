import { createRequire } from 'node:module';
import { patchRequestQueue } from '@rescind/feed-kafka';
import { expect, test } from 'vitest';

const require = createRequire(import.meta.url);

// What packages/feed-kafka relies on beyond kafkajs's documentation. A test that fails here asks for a second look at
// docs/decisions/kafka-kafkajs.md, not for a new number.
test('kafkajs is the version whose faults are known', () => {
  expect(require('kafkajs/package.json')).toMatchObject({ version: '2.2.4' });
});

test('its request queue is the code that the patch replaces', () => {
  expect(patchRequestQueue()).toBe(true);
});
