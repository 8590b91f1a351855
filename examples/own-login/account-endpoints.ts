import type { Issuer } from '@rescind/issuer';
import type { VerifiedResponse } from '@rescind/issuer/express';
import { accessToken } from '@rescind/issuer/express';
import { RescindError } from '@rescind/revocation';
import { RequestRefused } from '@rescind/revocation/errors';
import type { Express } from 'express';
import type { Users } from './users.ts';
import { hashPassword } from './users.ts';

/** The endpoints of a logged-in user: logout, the devices, and another password. */
export function addAccountEndpoints(app: Express, issuer: Issuer, users: Users): void {
  const signedIn = accessToken(issuer);
  const caller = ({ locals }: VerifiedResponse) => {
    const { sub, sid } = locals.token.payload;
    return { sub: String(sub), sid: String(sid) };
  };

  app.post('/logout', signedIn, async (_request, response: VerifiedResponse) => {
    await issuer.transaction((tx) => tx.endSession({ sid: caller(response).sid, reason: 'logout' }));
    response.status(204).end();
  });

  app.get('/devices', signedIn, async (_request, response: VerifiedResponse) => {
    const { sub, sid } = caller(response);
    response.json(await issuer.sessions.list({ sub, currentSid: sid }));
  });

  // The new password and the end of the other sessions commit together, or not at all.
  app.post('/password', signedIn, async ({ body }, response: VerifiedResponse) => {
    const { sub, sid } = caller(response);
    const user = await users.verify(users.byId(sub)?.email ?? '', textOf(body, 'current'));
    if (user === undefined) throw new RescindError('credentials_wrong');
    const hashed = await hashPassword(textOf(body, 'next'));
    await issuer.transaction(async (tx) => {
      users.setPassword(sub, hashed);
      await tx.endAllSessions({ sub, exceptSid: sid, reason: 'password_changed' });
    });
    response.status(204).end();
  });
}

/** @throws RescindError `request_invalid` naming the member */
export function textOf(body: unknown, name: string): string {
  const value: unknown = typeof body === 'object' && body !== null ? Reflect.get(body, name) : undefined;
  if (typeof value !== 'string') throw new RequestRefused([{ path: name, message: 'must be text' }]);
  return value;
}
