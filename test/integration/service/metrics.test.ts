import { fileURLToPath } from 'node:url';
import { METRICS } from '@rescind/revocation/metrics';
import { expect, test } from 'vitest';
import { startProcess } from '../../support/process.ts';
import { openUserManagement } from '../../support/user-management.ts';

const main = fileURLToPath(new URL('fixture/main.ts', import.meta.url));

async function scrape(managementUrl: unknown): Promise<string> {
  return (await fetch(`${String(managementUrl)}/metrics`)).text();
}

test('a service exposes its version, its readiness and the status of each check', async () => {
  const service = startProcess(main, { PORT: '0', MANAGEMENT_PORT: '0' });
  const { managementUrl } = await service.line('listening');
  await service.line('ready');
  const text = await scrape(managementUrl);
  expect(text).toContain('rescind_build_info{service="fixture",version="1.2.3"} 1');
  expect(text).toContain('rescind_ready 1');
  expect(text).toContain('rescind_health_check{name="view",status="pass"} 0');
  expect(text).toContain('rescind_health_check{name="view",status="warn"} 1');
  expect(text).toContain('rescind_health_check{name="view",status="fail"} 0');
  expect(text).not.toContain('rescind_view_age_seconds');
});

test('user-management exposes metrics of the catalogue only, with counters from 0', async () => {
  const { managementUrl, register, login, post, lines } = await openUserManagement();
  const before = await scrape(managementUrl);
  expect(before).toContain('rescind_logins_total{result="success"} 0');
  expect(before).toContain('rescind_logins_total{result="credentials_wrong"} 0');
  await register();
  await login();
  await post('/login', { username: 'ada', password: 'wrong wrong wrong' });
  const after = await scrape(managementUrl);
  expect(after).toContain('rescind_logins_total{result="success"} 1');
  expect(after).toContain('rescind_logins_total{result="credentials_wrong"} 1');
  const ours = [...after.matchAll(/^# TYPE (rescind_\w+)/gm)].map(([, name]) => name ?? '');
  expect(ours.filter((name) => !Object.hasOwn(METRICS, name))).toEqual([]);
  expect(after).toContain('rescind_metric_errors_total 0');
  expect(lines.join('')).not.toContain('metric_unusable');
});
