import type { RequestListener } from 'node:http';
import { join } from 'node:path';
import { getRequestListener } from '@hono/node-server';
import { Controller, Get, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { Guard } from '@rescind/guard';
import { guard as expressGuard } from '@rescind/guard/express';
import { isRevoked } from '@rescind/guard/express-jwt';
import { requireToken } from '@rescind/guard/fastify';
import { requireToken as requireTokenOfRequest } from '@rescind/guard/fetch';
import { guardContext, requireAuth } from '@rescind/guard/graphql';
import { tokenGuard } from '@rescind/guard/nestjs';
import { guardStrategy } from '@rescind/guard/passport';
import type { SigningKey } from '@rescind/token/signing';
import express from 'express';
import { expressjwt } from 'express-jwt';
import { fastify } from 'fastify';
import { createSchema, createYoga } from 'graphql-yoga';
import { Hono } from 'hono';
import passport from 'passport';
import 'reflect-metadata';
import { readKey } from '../material/events.ts';
import { openLiveGuard } from '../material/guard.ts';
import { serveMeasured } from '../material/measured-server.ts';

/** The same answer by one framework, behind the adapter or without any authentication. */
const [kind = '', guarded = '', directory = ''] = process.argv.slice(2);
const PRICES = { EUR: 1, USD: 1.08, JPY: 163.4 };

type CreateApp = (guard: Guard | undefined, key: SigningKey) => RequestListener | Promise<RequestListener>;

function expressApp(...handlers: readonly express.RequestHandler[]): RequestListener {
  const app = express();
  app.disable('x-powered-by');
  app.get('/', ...handlers, (_request, response) => void response.json(PRICES));
  return app;
}

const APPS: Readonly<Record<string, CreateApp>> = {
  express: (guard) => (guard === undefined ? expressApp() : expressApp(expressGuard(guard))),
  async fastify(guard) {
    const app = fastify();
    app.get('/', guard === undefined ? {} : { onRequest: requireToken(guard) }, () => PRICES);
    await app.ready();
    return app.routing;
  },
  async nestjs(guard) {
    // Node.js does not know decorators: they are called.
    class PricesController {
      list() {
        return PRICES;
      }
    }
    const list = Object.getOwnPropertyDescriptor(PricesController.prototype, 'list');
    if (list !== undefined) Get()(PricesController.prototype, 'list', list);
    Controller()(PricesController);
    class PricesModule {}
    Module({ controllers: [PricesController] })(PricesModule);
    const app = await NestFactory.create(PricesModule, { logger: false });
    app.useGlobalGuards(guard === undefined ? { canActivate: async () => true } : tokenGuard(guard));
    await app.init();
    return app.getHttpAdapter().getInstance();
  },
  hono(guard) {
    const app = new Hono();
    const admit = guard && requireTokenOfRequest(guard);
    app.get('/', async (context) => {
      const admission = await admit?.(context.req.raw);
      return admission?.response ?? context.json(PRICES);
    });
    return getRequestListener(app.fetch);
  },
  passport(guard) {
    if (guard === undefined) return expressApp();
    const authenticator = new passport.Passport();
    authenticator.use(guardStrategy(guard, { findUser: ({ payload }) => ({ id: payload.sub }) }));
    return expressApp(authenticator.authenticate('jwt', { session: false }));
  },
  'express-jwt'(guard, { publicKey: secret }) {
    const verify = { secret, algorithms: ['RS256' as const] };
    return expressApp(expressjwt(guard === undefined ? verify : { ...verify, isRevoked: isRevoked(guard) }));
  },
  'graphql-yoga'(guard) {
    const schema = createSchema<Parameters<typeof requireAuth>[0]>({
      typeDefs: 'type Query { user: String }',
      resolvers: {
        Query: {
          user: (_parent, _input, context) => (guard === undefined ? 'nobody' : requireAuth(context).payload.sub),
        },
      },
    });
    // Yoga takes another way through its plugins when there is a context.
    const context = guard === undefined ? async () => ({ auth: undefined }) : guardContext(guard);
    return createYoga({ schema, logging: false, context });
  },
};

const createApp = APPS[kind];
if (createApp === undefined) throw new Error(`no such kind: ${kind}`);
const key = readKey(directory, 'token');
const guard = guarded === 'guarded' ? await openLiveGuard(join(directory, 'denylist.db'), key) : undefined;
await serveMeasured(await createApp(guard, key));
