// Loaded into a service with NODE_OPTIONS=--import: an SDK of OpenTelemetry that appends each finished span, as a line of JSON, to the
// file SPANS_FILE.
import { appendFileSync } from 'node:fs';
import { trace } from '@opentelemetry/api';
import { BasicTracerProvider, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base';

const exporter = {
  export(spans, done) {
    for (const span of spans) {
      const { traceId, spanId } = span.spanContext();
      const { name, attributes, parentSpanContext } = span;
      const line = { name, traceId, spanId, parentSpanId: parentSpanContext?.spanId, attributes };
      appendFileSync(process.env.SPANS_FILE, `${JSON.stringify(line)}\n`);
    }
    done({ code: 0 });
  },
  shutdown: async () => undefined,
};

trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }));
