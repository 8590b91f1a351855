import type { CanActivate, INestApplication } from '@nestjs/common';
import { Controller, Get, HttpCode, Module, Post } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { Guard } from '@rescind/guard';
import { guard as expressGuard } from '@rescind/guard/express';
import { Auth, RequireToken, tokenGuard } from '@rescind/guard/nestjs';
import 'reflect-metadata';

@Controller()
class PricesController {
  @Get('prices')
  list(@Auth('sub') sub: string) {
    return { for: sub };
  }

  @Get('prices/premium')
  @RequireToken({ scopes: ['prices:premium'] })
  premium() {
    return { prices: [] };
  }

  @Post('transfers')
  @HttpCode(200)
  @RequireToken({ maxAuthAgeSeconds: 300 })
  transfer() {
    return { status: 'done' };
  }
}

@Module({ controllers: [PricesController] })
class PricesModule {}

/** NestJS 12 on Express. On Fastify `await app.register(probes(guard))`, of @rescind/guard/fastify, replaces the router. */
export async function createApp(guard: Guard): Promise<INestApplication> {
  const app = await NestFactory.create(PricesModule, { logger: false });
  app.use(expressGuard(guard).router()); // GET /livez, /readyz, /metrics
  const signedIn: CanActivate = tokenGuard(guard);
  app.useGlobalGuards(signedIn);
  return app;
}
