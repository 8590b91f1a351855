import * as api from '@opentelemetry/api';
import { openTelemetry, traceparentOf } from '@rescind/revocation/open-telemetry';
import { expect, test } from 'vitest';

const TXN = 'AaIc4vlSfHOhEvPhZsqofQ';

test('the header traceparent has the bytes of the id as its trace id', () => {
  expect(traceparentOf(TXN)).toMatch(/^00-01a21ce2f9527c73a112f3e166caa87d-[0-9a-f]{16}-01$/);
});

test('an id that is not of 16 bytes gets a trace id too, always the same', () => {
  for (const txn of ['x', 'AaIc4vlSfHOhEvPhZsqofQ==', '"\r\n', 'a'.repeat(1_000)]) {
    expect(traceparentOf(txn)).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
    expect(traceparentOf(txn)).toBe(traceparentOf(txn));
  }
});

test('a module without an SDK records nothing and throws nothing', () => {
  const step = { name: 'rescind.apply', txn: TXN, startMs: 1, endMs: 2, epoch: 'e', seq: 1 } as const;
  expect(openTelemetry(api).step(step)).toBeUndefined();
});

test.each([null, undefined, {}, { trace: {} }, { ...api, ROOT_CONTEXT: undefined }])('%s is refused', (value) => {
  expect(() => openTelemetry(value as never)).toThrow(/^api must be the module @opentelemetry\/api/);
});
