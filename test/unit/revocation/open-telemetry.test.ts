import * as api from '@opentelemetry/api';
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base';
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

test('the span of the request and that of the revocation link to each other', () => {
  const exporter = new InMemorySpanExporter();
  const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
  const request = provider.getTracer('http').startSpan('POST /logout');
  const { trace, ROOT_CONTEXT } = api;
  const setSpanContext = trace.setSpanContext.bind(trace);
  const { step } = openTelemetry({
    ROOT_CONTEXT,
    trace: { getTracer: (name) => provider.getTracer(name) as never, setSpanContext, getActiveSpan: () => request },
  });
  for (const name of ['rescind.revoke', 'rescind.publish', 'rescind.apply'] as const)
    step({ name, txn: TXN, startMs: 1, endMs: 2, epoch: 'e', seq: 1 });
  request.end();

  const [revoke, ...others] = exporter.getFinishedSpans();
  const linked = exporter
    .getFinishedSpans()
    .map(({ name, links }) => [name, links.map(({ context }) => context.spanId)]);
  expect(linked).toEqual([
    ['rescind.revoke', [request.spanContext().spanId]],
    ['rescind.publish', []],
    ['rescind.apply', []],
    ['POST /logout', [revoke?.spanContext().spanId]],
  ]);
  expect(others.slice(0, 2).map((span) => span.spanContext().traceId)).toEqual(
    Array(2).fill(revoke?.spanContext().traceId),
  );
});

test('a module without an SDK records nothing and throws nothing', () => {
  const step = { name: 'rescind.apply', txn: TXN, startMs: 1, endMs: 2, epoch: 'e', seq: 1 } as const;
  expect(openTelemetry(api).step(step)).toBeUndefined();
});

test.each([null, undefined, {}, { trace: {} }, { ...api, ROOT_CONTEXT: undefined }])('%s is refused', (value) => {
  expect(() => openTelemetry(value as never)).toThrow(/^api must be the module @opentelemetry\/api/);
});
