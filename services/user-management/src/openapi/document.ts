import type { Operation } from '@rescind/service/http';
import { openApiDocument, operation } from '@rescind/service/http';
import { z } from 'zod';
import { SCOPE_DESCRIPTIONS } from '../scopes.ts';

const TAGS = {
  Accounts: 'Of a person: making an account, passwords, the second factor',
  Sessions: 'Logging in and out, here and elsewhere',
  OAuth: 'What a client application does (RFC 6749, RFC 7009, RFC 7662)',
  Published: 'What everybody may know',
  Log: 'For the services that keep a denylist',
};

const document = z.looseObject({ openapi: z.string(), info: z.looseObject({}), paths: z.looseObject({}) });

/** The operation that answers the OpenAPI document of `operations`, and of itself. */
export function documentOperation(
  operations: readonly Operation[],
  about: { readonly issuer: string; readonly version: string },
): Operation {
  const self: Operation = operation({
    id: 'openapi',
    method: 'get',
    path: '/openapi.json',
    summary: 'This document',
    tag: 'Published',
    responses: { 200: { description: 'OpenAPI 3.1', schema: document } },
    errors: [],
    handle: (_request, response) => void response.json(described),
  });
  const described = openApiDocument({
    title: 'Rescind: user-management',
    version: about.version,
    description:
      'Sessions, tokens and their revocation. Errors: `docs/errors.md`; how every port responses: `docs/http.md`.',
    servers: [about.issuer],
    operations: [...operations, self],
    tags: TAGS,
    scopes: SCOPE_DESCRIPTIONS,
  });
  return self;
}
