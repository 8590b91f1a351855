import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { Webhook } from 'standardwebhooks';
import { onTestFinished } from 'vitest';
import { temporaryDirectory } from './directory.ts';
import { waitFor } from './wait.ts';

/** The notices that arrived and were verified. */
interface ReceivedNotice {
  readonly id: string;
  readonly type: string;
  readonly timestamp: string;
  readonly data: Readonly<Record<string, string | null>>;
}

/** The receiver of notices: an HTTP server that accepts nothing without a valid signature. */
export interface WebhookReceiver {
  /** Variables of user-management. */
  readonly environment: Record<string, string>;
  readonly secret: string;
  readonly notices: ReceivedNotice[];
  /** Requests, refused ones included. */
  requests(): number;
  /** The status of its response to a valid notice. Default 204. */
  answer(status: number): void;
  listen(): Promise<void>;
  stop(): Promise<void>;
  /** The newest notice of this type; waits for it. */
  notice(type: string, count?: number): Promise<ReceivedNotice>;
}

/** @param port 0: any free one. It does not listen yet when `listening` is false */
export async function webhookReceiver(port: number, listening = true): Promise<WebhookReceiver> {
  const secret = `whsec_${randomBytes(32).toString('base64')}`;
  const webhook = new Webhook(secret);
  const secretFile = join(temporaryDirectory(), 'webhook-secret');
  writeFileSync(secretFile, secret, { mode: 0o600 });
  const notices: ReceivedNotice[] = [];
  let [requests, status] = [0, 204];

  const take = async (request: IncomingMessage): Promise<number> => {
    requests++;
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = Buffer.concat(chunks).toString('utf8');
    const notice = webhook.verify(body, request.headers as Record<string, string>) as ReceivedNotice;
    if (status >= 300) return status;
    notices.push({ ...notice, id: String(request.headers['webhook-id']) });
    return status;
  };
  const server = createServer((request, response) => {
    take(request).then(
      (answer) => response.writeHead(answer, answer === 307 ? { Location: '/elsewhere' } : {}).end(),
      () => response.writeHead(400).end(),
    );
  });
  const listen = () => new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  const stop = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  if (listening) await listen();
  onTestFinished(stop);

  return {
    environment: {
      WEBHOOK_URL: `http://127.0.0.1:${listening ? (server.address() as AddressInfo).port : port}/notices`,
      WEBHOOK_SECRET_FILE: secretFile,
      WEBHOOK_RETRY: '20ms',
    },
    secret,
    notices,
    requests: () => requests,
    answer(next) {
      status = next;
    },
    listen,
    stop,
    notice: (type, count = 1) =>
      waitFor(`notice ${count} of ${type}`, () => notices.filter((notice) => notice.type === type)[count - 1]),
  };
}
