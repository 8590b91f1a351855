import { standardErrorTelemetry } from '@rescind/revocation';
import { expect, onTestFinished, test, vi } from 'vitest';

test.each([
  ['feed_connection_lost', 'feed_connected', { url: 'https://login.example/revocations', reason: 'unreachable' }],
  ['keys_fetch_failed', 'keys_fetched_again', { source: 'token_keys', url: 'https://login.example/jwks' }],
  ['view_stale', 'view_fresh', { before: 'stale', ageMs: 1_000 }],
  ['clock_differs', 'clock_agrees', { aheadMs: 60_000 }],
  ['kafka_lost', 'kafka_connected', { reason: 'unreachable' }],
])('%s and its end, %s, are a sentence each on standard error, and only once', (begin, end, fields) => {
  const write = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  onTestFinished(() => write.mockRestore());
  for (let time = 0; time < 2; time += 1) standardErrorTelemetry.log('warn', begin, fields);
  for (let time = 0; time < 2; time += 1) standardErrorTelemetry.log('info', end, fields);
  const lines = write.mock.calls.map(([line]) => String(line));
  expect(lines).toEqual([
    expect.stringMatching(new RegExp(`^rescind: warning: (?!\\w+=).* \\[${begin}\\]\n$`)),
    expect.stringMatching(new RegExp(`^rescind: info: (?!\\w+=).* \\[${end}\\]\n$`)),
  ]);
});
