/** Declarations that a fragment on a page continues, by the name in the comment above it. Types are imported in place: the fragment has imports of its own. */
export const CONTEXTS: Readonly<Record<string, string>> = {
  'a login form': `
declare const username: string, password: string;
`,
  'a session': `
declare const session: import('@rescind/client').Session;
declare function askForPassword(step: object): Promise<string>;
`,
  'a session and other clients': `
import type { AxiosInstance } from 'axios';
import axios from 'axios';
declare const session: import('@rescind/client').Session;
declare const axiosInstance: AxiosInstance;
declare function createClient<P extends object>(options: { baseUrl: string; fetch: (request: Request) => Promise<Response> }): P;
declare class Configuration {
  constructor(options: { basePath: string; fetchApi: typeof fetch });
}
interface paths {}
`,
  'a guarded application': `
import express from 'express';
import type { RequestHandler } from 'express';
import { createGuard, profiles } from '@rescind/guard';
import { guard } from '@rescind/guard/express';
declare const app: import('express').Express;
declare const opened: import('@rescind/guard').Guard, created: import('@rescind/guard').Guard;
declare const signedIn: import('@rescind/guard/express').ExpressGuard;
declare const list: RequestHandler, transfer: RequestHandler, former: RequestHandler;
declare function either(issuer: string, guarded: RequestHandler, former: RequestHandler): RequestHandler;
declare const issuer: string, denylistPath: string;
declare const feed: import('@rescind/guard').GuardOptions['feed'];
`,
  'an application of an adapter': `
declare function createApp(guard: import('@rescind/guard').Guard): import('express').Express;
`,
  'a server': `
declare const httpServer: import('node:http').Server;
declare const issuer: string;
declare const feed: import('@rescind/guard').GuardOptions['feed'];
`,
  'a server with sockets': `
declare const guard: import('@rescind/guard').Guard;
declare const app: import('express').Express;
declare const signedIn: import('@rescind/guard/express').ExpressGuard;
declare const httpServer: import('node:http').Server;
declare function onNextPrice(listener: (price: object) => void): void;
declare const token: import('@rescind/guard').VerifiedToken, newerToken: import('@rescind/guard').VerifiedToken;
declare const route: import('@rescind/guard').RoutePolicy;
declare function ask(code: string, withinMs: number): void;
declare function end(code: string): void;
`,
  'a page with sockets': `
declare const session: import('@rescind/client').Session;
declare const url: string;
declare const token: string;
declare function showEnd(code: string): void;
`,
  'users and a login': `
declare const users: {
  bySub(sql: import('@rescind/issuer-sqlite').HostSql, sub: string): { scope: string; credentialVersion: number; suspended: boolean } | undefined;
};
declare const sub: string, credentialVersion: number;
`,
  'options of the issuer': `
import { openIssuer } from '@rescind/issuer';
declare const options: import('@rescind/issuer').IssuerOptions<import('@rescind/issuer-sqlite').HostSql>;
declare const jwks: { keys: import('node:crypto').JsonWebKey[] };
declare const clientId: string, secret: string;
`,
  'a login service': `
declare const issuer: import('@rescind/issuer').Issuer<import('@rescind/issuer-sqlite').HostSql>;
declare const sub: string, sid: string, credentialVersion: number, deviceId: string, hash: string;
declare const refreshToken: string, accessToken: string, secret: string;
declare const feedClients: Record<string, string>;
declare const request: { readonly ip: string; readonly headers: import('node:http').IncomingHttpHeaders };
declare const logIn: import('express').RequestHandler;
`,
  'an express login service': `
declare const issuer: import('@rescind/issuer').Issuer;
declare const secret: string;
declare const logIn: import('express').RequestHandler;
`,
  'a guarded service with brokers': `
import { httpTransport } from '@rescind/feed';
import { kafkaTransport } from '@rescind/feed-kafka';
import { guard } from '@rescind/guard/express';
declare const issuer: string, clientSecret: string;
`,
  'options of an issuer with brokers': `
import { openPublisher } from '@rescind/feed-kafka';
import { openIssuer } from '@rescind/issuer';
declare const options: import('@rescind/issuer').IssuerOptions<import('@rescind/issuer-sqlite').HostSql>;
`,
  'parts of a login service': `
import { openPublisher } from '@rescind/feed-kafka';
import { openIssuer } from '@rescind/issuer';
import { issuerRouter } from '@rescind/issuer/express';
declare const kafka: import('@rescind/feed-kafka').PublisherOptions;
declare const options: import('@rescind/issuer').IssuerOptions<import('@rescind/issuer-sqlite').HostSql>;
declare const feedClients: Record<string, string>;
declare const app: import('express').Express;
`,
  'a login service with redis': `
declare const redis: import('ioredis').Redis;
declare const issuer: import('@rescind/issuer').Issuer;
declare const sid: string;
`,
  'a store': `
import { watchTransaction } from '@rescind/issuer/store';
interface MySql {}
declare const opened: import('@rescind/issuer/store').Store<MySql>;
const { read, log, transaction, maintain, overLimit, close } = opened;
declare const sql: MySql;
type Transaction = import('@rescind/issuer/store').StoreTransaction<MySql>;
declare const savepoint: Transaction['savepoint'];
declare const tables: Omit<Transaction, 'sql' | 'savepoint'>;
declare const work: (tx: Transaction) => Promise<unknown>;
declare const createTested: Parameters<typeof import('@rescind/issuer/testing/store-contract').storeContract>[0];
`,
};

/** Modules that pages import and this repository does not install, with the members that the pages use. */
export const MODULES = `
declare module 'react-native' {
  export const AppState: {
    readonly currentState: string;
    addEventListener(type: 'change', listener: (state: string) => void): { remove(): void };
  };
}
declare module '@apollo/server' {
  export class ApolloServer<C extends object> {
    constructor(options: { readonly typeDefs: string; readonly resolvers: object });
    stop(): Promise<void>;
    readonly context: C;
  }
}
declare module '@apollo/server/standalone' {
  export function startStandaloneServer<C extends object>(
    server: import('@apollo/server').ApolloServer<C>,
    options: {
      readonly context: (given: { readonly req: import('node:http').IncomingMessage }) => Promise<C>;
      readonly listen: { readonly port: number };
    },
  ): Promise<{ readonly url: string }>;
}
declare module '@react-native-async-storage/async-storage' {
  const storage: { getItem(key: string): Promise<string | null>; setItem(key: string, value: string): Promise<void> };
  export default storage;
}
declare module '@react-native-community/netinfo' {
  const netInfo: { addEventListener(listener: (state: { readonly isConnected: boolean | null }) => void): () => void };
  export default netInfo;
}
`;
