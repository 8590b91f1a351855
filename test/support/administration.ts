import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { basicAuthorization } from '@rescind/revocation/http';
import { createResponseCheck } from './declared-responses.ts';
import { temporaryDirectory } from './directory.ts';
import type { Answer } from './user-management.ts';
import { createClient, openUserManagement, USER } from './user-management.ts';

const SECRET = 'correct-horse-battery-staple-0123456789';

/** The administrators of tests: with every scope, or only the one in the name. Each has the secret of `secretOf`. */
export const OPERATORS: Readonly<Record<string, readonly string[]>> = {
  ada: [
    'admin:revocations',
    'admin:users',
    'admin:sessions',
    'admin:clients',
    'admin:keys',
    'admin:fleet',
    'admin:events',
    'admin:audit',
  ],
  reader: ['admin:revocations:read', 'admin:audit:read'],
  helpdesk: ['admin:users:write'],
  revoker: ['admin:revocations'],
  sessions: ['admin:sessions'],
  clients: ['admin:clients'],
};

export const secretOf = (name: string) => `${SECRET}-${name}`;

export const basic = (name: string, secret = secretOf(name)) => ({
  Authorization: basicAuthorization(name, secret),
});

export function writeOperators(directory: string, operators: object): string {
  const file = join(directory, 'operators.json');
  writeFileSync(file, JSON.stringify(operators), { mode: 0o600 });
  return file;
}

const allOperators = () =>
  Object.fromEntries(Object.entries(OPERATORS).map(([name, scopes]) => [name, { secret: secretOf(name), scopes }]));

type Send = ReturnType<typeof createClient>['send'];

/** Sends requests of an administrator. */
export function createAdministrator(url: string, headers: Record<string, string>, send = createClient(url).send) {
  const withBody = (method: string) => (path: string, body: object) =>
    send(path, { method, headers: { 'Content-Type': 'application/json', ...headers }, body: JSON.stringify(body) });
  return {
    get: (path: string): Promise<Answer> => send(path, { headers }),
    post: withBody('POST'),
    put: withBody('PUT'),
    patch: withBody('PATCH'),
    remove: withBody('DELETE'),
  };
}

/** Sends requests, and requires each response of success to be as the OpenAPI document declares it. */
async function checkedSend(adminUrl: string): Promise<Send> {
  const { send } = createClient(adminUrl);
  const { status, body } = await send('/admin/openapi.json', { headers: basic('ada') });
  // Without this operator the document cannot be read. It equals that of other services, whose responses are compared.
  if (status !== 200) return send;
  const check = createResponseCheck(body as unknown as Parameters<typeof createResponseCheck>[0]);
  return async (path, init) => {
    const answer = await send(path, init);
    if (answer.status < 300) check(init?.method ?? 'GET', path, answer.status, answer.body);
    return answer;
  };
}

/** A user-management with operators and one user who is registered. */
export async function openAdministered(
  environment: Record<string, string> = {},
  directory: string = temporaryDirectory(),
) {
  const service = await openUserManagement(
    { ADMIN_OPERATORS_FILE: writeOperators(directory, allOperators()), ...environment },
    directory,
  );
  const adminUrl = String(service.listenerUrls.admin);
  const send = await checkedSend(adminUrl);
  const as = (name: string) => createAdministrator(adminUrl, basic(name), send);
  await service.register();
  return {
    ...service,
    adminUrl,
    as,
    ada: as('ada'),
    /** The `aud` of tokens for the administration. */
    adminAudience: `${service.url}/admin`,
    /** The pseudonym of a user. */
    async subOf(username = USER.username) {
      const { body } = await as('ada').get(`/admin/users?username=${username}`);
      const [user] = body.items as { sub: string }[];
      return String(user?.sub);
    },
  };
}
