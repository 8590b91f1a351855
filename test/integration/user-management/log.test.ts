import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { FEED_SECRET, openUserManagement, USER } from '../../support/user-management.ts';

test('what happened is logged by OWASP’s names, and no secret is', async () => {
  const service = await openUserManagement({ LOG_LEVEL: 'debug', REFRESH_GRACE: '0s' });
  // The first half of a refresh token finds its row; only the second half is a secret.
  const selectors: string[] = [];
  const secrets: string[] = [USER.password, FEED_SECRET, 'not the password', 'another correct horse'];
  const keep = (answer: { access: string; refresh: string }) => {
    const [selector = '', verifier = ''] = answer.refresh.split('.');
    selectors.push(selector);
    secrets.push(answer.access, ...answer.access.split('.').slice(1), verifier);
    return answer;
  };

  await service.register();
  await service.post('/login', { ...USER, password: 'not the password' });
  const first = keep(await service.login({ deviceName: 'a telephone' }));
  const second = keep(service.tokensOf(await service.refresh(first.refresh)));
  await service.refresh(first.refresh);
  expect(await service.accepts(second.access)).toBe(401);
  const third = keep(await service.login());
  await service.form('/oauth2/revoke', { token: third.access });
  const fourth = keep(await service.login());
  const change = { currentPassword: USER.password, newPassword: 'another correct horse' };
  const fifth = keep(service.tokensOf(await service.post('/password', change, service.asBearer(fourth.access))));
  await service.send(`/nowhere/${fifth.access}?access_token=${fifth.access}`);
  await service.send('/logout', { method: 'POST', headers: service.asBearer(fifth.access) });
  await service.send('/revocations', { headers: { Authorization: `Basic ${btoa(`prices:${FEED_SECRET}x`)}` } });
  await service.close();

  const log = service.lines.join('');
  const events = service.lines.map((line) => JSON.parse(line).event);
  expect(events).toEqual(
    expect.arrayContaining([
      'authn_login_success',
      'authn_login_fail',
      'authn_token_revoked',
      'authn_token_reuse',
      'authn_password_change',
      'session_logout',
      'session_use_after_expire',
    ]),
  );
  for (const secret of [...secrets, ...selectors]) expect(log).not.toContain(secret);
  expect(log).not.toMatch(new RegExp(`\\b${USER.username}\\b`));
  expect(log).not.toContain('a telephone');

  // Neither the database nor what is beside the keys holds a password or a token as it was.
  for (const name of readdirSync(service.directory).filter((file) => file.includes('.sqlite'))) {
    const bytes = readFileSync(join(service.directory, name), 'latin1');
    for (const secret of secrets.filter((text) => text.length > 20 && text !== FEED_SECRET)) {
      expect(bytes.includes(secret), name).toBe(false);
    }
  }
});
