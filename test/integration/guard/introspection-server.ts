import { text } from 'node:stream/consumers';
import type { IntrospectionOptions } from '@rescind/guard';
import { onTestFinished } from 'vitest';
import { openServer } from '../feed/server.ts';

/** An introspection request as it was received. */
interface Question {
  readonly method: string | undefined;
  readonly authorization: string | undefined;
  readonly type: string | undefined;
  readonly form: URLSearchParams;
}

export interface Reply {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: string;
}

/** An introspection endpoint (RFC 7662) over HTTP. */
export interface IntrospectionServer {
  readonly questions: readonly Question[];
  /** The response; a promise delays it. */
  reply: (question: Question) => Reply | Promise<Reply>;
  /** How a guard reaches it. */
  options(more?: Partial<IntrospectionOptions>): IntrospectionOptions;
  kill(): Promise<void>;
}

export const ACTIVE: Reply = { body: JSON.stringify({ active: true }) };
export const INACTIVE: Reply = { body: JSON.stringify({ active: false }) };

export async function openIntrospectionServer(): Promise<IntrospectionServer> {
  const questions: Question[] = [];
  const server = await openServer((request, response) => {
    text(request)
      .then(async (body) => {
        const { method, headers } = request;
        const form = new URLSearchParams(body);
        const question = { method, authorization: headers.authorization, type: headers['content-type'], form };
        questions.push(question);
        const { status = 200, headers: more = {}, body: answer } = await opened.reply(question);
        response.writeHead(status, { 'content-type': 'application/json', ...more }).end(answer);
      })
      .catch(() => response.destroy());
  });
  const opened: IntrospectionServer = {
    questions,
    reply: () => ACTIVE,
    options: (more = {}) => ({
      url: `${server.url}/oauth2/introspect`,
      clientId: 'prices',
      clientSecret: 'a-secret-of-prices',
      ...more,
    }),
    kill: () => server.kill(),
  };
  onTestFinished(() => server.kill());
  return opened;
}
