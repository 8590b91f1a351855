import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { GuardOptions } from '@rescind/guard';
import type { ExpressGuard, ExpressRoute } from '@rescind/guard/express';
import { errorHandler, guard } from '@rescind/guard/express';
import type { Telemetry } from '@rescind/revocation';
import { silentTelemetry } from '@rescind/revocation';
import type { Express } from 'express';
import express from 'express';
import { onTestFinished } from 'vitest';
import { temporaryDirectory } from '../../support/directory.ts';
import type { TestIssuer } from './issuer.ts';
import { AUDIENCE } from './issuer.ts';

export function freshPath(): string {
  return join(temporaryDirectory(), 'denylist.db');
}

/** The guard's middleware over the issuer's log, closed when the test has finished. */
export function openMiddleware(issuer: TestIssuer, options: Partial<GuardOptions> & ExpressRoute): ExpressGuard {
  const opened = guard({ issuer: issuer.url, audience: AUDIENCE, feed: { primary: issuer.transport() }, ...options });
  onTestFinished(() => opened.close());
  return opened;
}

/** Serves an application on a free port. Gives its address. */
export async function serve(application: Express): Promise<string> {
  const server = application.listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** A service with one route behind the guard, which answers what is on `req.auth`. */
export async function serveGuarded(middleware: ExpressGuard): Promise<string> {
  const application = express();
  application.use(express.urlencoded(), express.json());
  application.use(middleware);
  application.all('/', (request, response) => {
    response.json({ sub: request.auth?.payload.sub ?? null });
  });
  application.use(errorHandler());
  return serve(application);
}

export interface Answer {
  readonly status: number;
  readonly body: Record<string, unknown>;
  readonly challenge: string | null;
  readonly retryAfter: string | null;
  readonly cacheControl: string | null;
}

export async function ask(url: string, token?: string, init: RequestInit = {}): Promise<Answer> {
  const headers = new Headers(init.headers);
  if (token !== undefined) headers.set('authorization', `Bearer ${token}`);
  const response = await fetch(url, { ...init, headers });
  return {
    status: response.status,
    body: (await response.json()) as Record<string, unknown>,
    challenge: response.headers.get('www-authenticate'),
    retryAfter: response.headers.get('retry-after'),
    cacheControl: response.headers.get('cache-control'),
  };
}

/** Telemetry that records counters by name and labels, and the texts of log lines. */
export function createRemembering() {
  const counts = new Map<string, number>();
  const gauges = new Map<string, number>();
  const lines: string[] = [];
  const telemetry: Telemetry = {
    ...silentTelemetry,
    count(metric: string, labels: Readonly<Record<string, string>> = {}, by = 1) {
      const name = [metric, ...Object.values(labels)].join(' ');
      counts.set(name, (counts.get(name) ?? 0) + by);
    },
    gauge: (metric: string, value: number) => void gauges.set(metric, value),
    log: (level, event) => void lines.push(`${level} ${event}`),
  };
  return { telemetry, counts, gauges, lines };
}
