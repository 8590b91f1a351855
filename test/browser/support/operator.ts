import type { Fleet, User } from '@rescind/dev-fleet';
import { basicAuthorization } from '@rescind/revocation/http';
import type { Page } from 'playwright-core';

/** Logs in by the form, and waits until the page is live. */
export async function logInToConsole(page: Page, user: User | undefined): Promise<void> {
  await page.getByLabel('Name').fill(user?.username ?? '');
  await page.getByRole('textbox', { name: 'Password' }).fill(user?.password ?? '');
  await page.getByRole('button', { name: 'Log in' }).click();
  await page.locator('[data-live="live"]').waitFor();
}

/** Sends a request to the administration as the operator of the fleet: a body with POST, or with the given method. */
export async function administer<T>(fleet: Fleet, path: string, body?: object, method = 'POST'): Promise<T> {
  const authorization = basicAuthorization(fleet.operator.name, fleet.operator.secret);
  const response = await fetch(fleet.adminUrl + path, {
    headers: { authorization, 'content-type': 'application/json' },
    ...(body && { method, body: JSON.stringify({ why: 'a test', ...body }) }),
  });
  if (!response.ok) throw new Error(`${path} answered ${response.status}: ${await response.text()}`);
  return (await response.json()) as T;
}

/** A user of the administration. */
interface Found {
  readonly sub: string;
}

/** The pseudonym of a user. */
export async function subOf(fleet: Fleet, username: string): Promise<string> {
  const { items } = await administer<{ items: Found[] }>(fleet, `/admin/users?username=${username}`);
  return items[0]?.sub ?? '';
}

/** Registers a user with these scopes of administration. */
export async function registerOperator(fleet: Fleet, scopes: readonly string[]): Promise<User> {
  const user = await fleet.client.register();
  await administer(
    fleet,
    `/admin/users/${await subOf(fleet, user.username)}/scopes`,
    { scopes: ['account', ...scopes] },
    'PUT',
  );
  return user;
}
