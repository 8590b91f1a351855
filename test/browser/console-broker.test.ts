import type { Fleet } from '@rescind/dev-fleet';
import { openFleet } from '@rescind/dev-fleet';
import type { Broker } from '@rescind/dev-kafka';
import { openBroker } from '@rescind/dev-kafka';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { expectAccessible } from './support/accessibility.ts';
import { launchChromium } from './support/chromium.ts';
import { openConsole } from './support/console.ts';
import { logInToConsole } from './support/operator.ts';

let broker: Broker;
let fleet: Fleet;
let browser: Browser;

beforeAll(async () => {
  browser = await launchChromium();
  broker = await openBroker({ own: true });
  fleet = await openFleet({ brokers: broker.brokers, prices: 1, orders: 0, console: true });
}, 180_000);
afterAll(async () => {
  await browser?.close();
  await fleet?.close();
  await broker?.close();
});

test('the first page says that Kafka is away while every instance denies, until it is back', async () => {
  const page = await openConsole({ browser, fleet });
  page.setDefaultTimeout(60_000);
  await logInToConsole(page, fleet.consoleUser);
  const user = await fleet.client.register();
  const logOut = async () => fleet.client.logout((await fleet.client.login(user, 'laptop')).access_token);
  await logOut();
  const main = page.locator('#main');
  await main
    .getByText(/^1 of 1/)
    .first()
    .waitFor();
  const notice = main.getByText(/^Kafka has not acknowledged/);
  expect(await notice.count()).toBe(0);

  await broker.stop();
  await logOut();
  await notice.waitFor();
  await main
    .getByText(/^Kafka has not acknowledged 1 revocation since \d\d:\d\d:\d\d\. 1 of 1 instance read the log by HTTP\./)
    .waitFor();
  // The instance denies it all the same.
  await main.getByRole('heading', { name: /^The only instance denies what was revoked/ }).waitFor();
  await expectAccessible(page, 'the first page without Kafka');

  // The page of the revocation says so too, and until when.
  await main
    .getByRole('link', { name: /^session/ })
    .first()
    .click();
  await main.getByText('Kafka has not acknowledged it yet').waitFor();
  await broker.start();
  await main.getByText('published', { exact: true }).waitFor({ timeout: 90_000 });
  await page.goBack();
  await notice.waitFor({ state: 'detached', timeout: 90_000 });
});
