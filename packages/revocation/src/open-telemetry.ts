import { createHash } from 'node:crypto';
import type { OptionCheck } from './options/checks.ts';
import { optionError } from './options/checks.ts';
import type { RevocationStep } from './telemetry.ts';

/** The members of the module `@opentelemetry/api` that are used. The caller passes the module, so that no package depends on it. */
export interface OpenTelemetryApi {
  readonly ROOT_CONTEXT: object;
  readonly trace: {
    getTracer(name: string): {
      startSpan(
        name: string,
        options: {
          readonly startTime: number;
          readonly attributes: Record<string, string | number>;
          readonly links: { context: SpanContext }[];
        },
        context: never,
      ): { spanContext(): SpanContext; end(endTime: number): void };
    };
    setSpanContext(context: never, spanContext: SpanContext): object;
    /** `addLink`: since version 1.9 of the API. */
    getActiveSpan(): { spanContext(): SpanContext; addLink?(link: { context: SpanContext }): unknown } | undefined;
  };
}

/** The identity of a span (W3C Trace Context, section 3.2). */
interface SpanContext {
  readonly traceId: string;
  readonly spanId: string;
  readonly traceFlags: number;
  readonly isRemote?: boolean;
}

const SAMPLED = 1;
/** An id of this package: 16 bytes in base64url. */
const ID = /^[\w-]{22}$/;
const TRACE_ID_BYTES = 16;

/**
 * Returns the context of the trace of a revocation. Its trace id is the id of the revocation, whose 16 bytes are written in hexadecimal, so
 * that every process computes it alike: over HTTP, after a restart, in another process of the issuer. Of another id it is a digest.
 */
function contextOf(txn: string): SpanContext {
  const digest = createHash('sha256').update(txn).digest();
  const traceId = (ID.test(txn) ? Buffer.from(txn, 'base64url') : digest).subarray(0, TRACE_ID_BYTES);
  return {
    traceId: traceId.toString('hex'),
    spanId: digest.subarray(-8).toString('hex'),
    traceFlags: SAMPLED,
    isRemote: true,
  };
}

/**
 * Returns the value of the header `traceparent` (W3C Trace Context, section 3.2) of the event of a revocation.
 * @param txn the id of the revocation
 */
export function traceparentOf(txn: string): string {
  const { traceId, spanId } = contextOf(txn);
  return `00-${traceId}-${spanId}-01`;
}

/** The check of a module `@opentelemetry/api`. @throws TypeError for anything else */
export const openTelemetryApi: OptionCheck<OpenTelemetryApi> = (value, path) => {
  const { trace, ROOT_CONTEXT } = (value ?? {}) as Partial<OpenTelemetryApi>;
  const hasTrace = [trace?.getTracer, trace?.setSpanContext, trace?.getActiveSpan].every((method) =>
    isFunction(method),
  );
  if (hasTrace && ROOT_CONTEXT !== undefined) return value as OpenTelemetryApi;
  throw optionError(path, 'the module @opentelemetry/api', value);
};

const isFunction = (value: unknown) => typeof value === 'function';

/**
 * Returns the member `step` of a `Telemetry`, which records each step of a revocation as a span. All spans of one revocation are in
 * one trace, whose id is the id of the revocation in hexadecimal. `rescind.revoke` and the span of the request, if one is active, link to each other.
 * @param api the module `@opentelemetry/api` (`import * as api from '@opentelemetry/api'`); the SDK that it has been given decides what
 * is sampled and where it is exported
 * @throws TypeError for anything but that module
 */
export function openTelemetry(api: OpenTelemetryApi): { step(step: RevocationStep): void } {
  const { ROOT_CONTEXT, trace } = openTelemetryApi(api, 'api');
  return {
    step({ name, txn, startMs, endMs, epoch, seq }: RevocationStep) {
      const request = name === 'rescind.revoke' ? trace.getActiveSpan() : undefined;
      const links = request === undefined ? [] : [{ context: request.spanContext() }];
      const attributes = { 'rescind.txn': txn, 'rescind.epoch': epoch, 'rescind.seq': seq };
      const context = trace.setSpanContext(ROOT_CONTEXT as never, contextOf(txn));
      const span = trace
        .getTracer('rescind')
        .startSpan(name, { startTime: startMs, attributes, links }, context as never);
      request?.addLink?.({ context: span.spanContext() });
      span.end(endMs);
    },
  };
}
