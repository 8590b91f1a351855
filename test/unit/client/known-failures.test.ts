import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';

// How clients and sockets of other libraries fail their users, each with the test that would notice it here, by its file and a part of its
// title. A test that is renamed or removed fails this file.

type Row = readonly [failure: string, file: string, title: string];

const CLIENT: readonly Row[] = [
  ['a lock that never ends', 'unit/client/tabs', 'a lock that is held for ever delays a renewal by five seconds'],
  [
    'a listener that calls the client',
    'unit/client/renewal',
    'listeners that throw, wait for the session or never end',
  ],
  ['a frozen tab with the lock', 'browser/faults', 'a tab that was frozen in the middle of a renewal delays no other'],
  ['a stolen lock', 'unit/client/tabs', 'no source of this package steals a lock'],
  ['no Web Locks', 'browser/environments', 'two tabs renew again and again, and stay logged in'],
  ['a mutex of its own', 'unit/client/tabs', 'without any lock, 200 concurrent renewals of two tabs end no session'],
  ['the back button', 'browser/ends', 'the back button after a logout shows the login, not the claims'],
  ['all windows wake', 'unit/client/tabs', 'both wake after an hour of sleep: one request'],
  ['an old value is written back', 'unit/client/tabs', 'a late write of an older pair changes nothing'],
  [
    'the loser deletes the winner’s tokens',
    'unit/client/tabs',
    'a late write of an older pair changes nothing, and its tab adopts the newer one',
  ],
  ['the flight is forgotten', 'unit/client/renewal', 'a call in the microtask in which the flight settles'],
  ['IndexedDB fails', 'unit/client/odd-issuers', 'a store that cannot be read at the start leaves nobody logged in'],
  ['a tab without focus', 'browser/tabs', 'two tabs renew five times, and never spend the same token'],
  [
    'several tabs with a memory each',
    'unit/client/tabs',
    'in cookie mode a tab with a memory of its own asks the issuer',
  ],
  ['renewals and 401 in turn', 'unit/client/fetch', 'that is refused again goes to the caller'],
  ['a 401 of somebody else', 'unit/client/fetch', 'credentials of the application stay as they are'],
  ['late 401 responses', 'unit/client/fetch', '50 at once, whose responses spread over the renewal'],
  ['a refresh that hangs', 'unit/client/renewal', 'a refresh that never ends is given up after 10 s'],
  ['a wrapped fetch', 'unit/client/fetch', 'a global fetch that is replaced afterwards'],
  ['a token along a redirect', 'unit/client/odd-issuers', 'a redirect is not followed'],
  ['a Request with a body', 'unit/client/fetch', 'that of a Request is sent again, with its headers and method'],
  ['copies of long bodies', 'unit/client/fetch', 'a long body of a Request is not copied'],
  ['a stream', 'unit/client/fetch', 'a stream gets a token that lasts for a minute, and is not repeated'],
  ['an unclear network error', 'unit/client/fetch', 'is not repeated after a network error'],
  ['an abort for everybody', 'unit/client/renewal', 'an abort rejects the call of its caller only'],
  [
    'a page that is left',
    'browser/faults',
    'a tab that is left in the middle of a renewal is logged in when it comes back',
  ],
  ['5xx and 429 as a logout', 'unit/client/renewal', 'keeps the session, which then renews'],
  ['endless attempts offline', 'unit/client/renewal', 'offline for five minutes: at most 12 attempts'],
  ['Retry-After', 'unit/client/odd-issuers', 'asks again within ten minutes, and not at once'],
  ['verdicts turned round', 'unit/client/odd-issuers', 'is no refusal of the issuer, and ends no session'],
  ['offline as a logout', 'browser/faults', 'offline, the session waits; online, it goes on'],
  ['a wrong clock', 'browser/faults', 'tokens are renewed on time and every request is accepted'],
  ['the sign of a tolerance', 'unit/client/renewal', 'renews a lead time before the end at the latest'],
  ['a machine that slept', 'unit/client/logout', 'a machine that slept for an hour uses no token from before'],
  ['a refresh after a logout', 'unit/client/tabs', 'a refresh that is on its way when the user logs out'],
  ['a late cookie', 'browser/faults', 'a response to a refresh that arrives after the logout'],
  ['a logout offline', 'browser/faults', 'a logout without a connection ends the session in the page at once'],
  ['a tab that never hears', 'browser/faults', 'a tab that was frozen during a logout is logged out when it thaws'],
  ['a switch of accounts', 'browser/ends', 'after an account is switched in one tab, the other continues'],
  ['timers on a server', 'unit/client/renewal', '10,000 sessions outside of a page leave no timer'],
  ['renewals on a server', 'unit/client/renewal', 'does nothing on time before start(), and nothing after stop()'],
  ['a hint that locks out', 'unit/client/odd-issuers', 'whose hint of a session was deleted sends nothing'],
  ['a set-up that cannot work', 'unit/client/options', 'is refused with the name of the option'],
  ['React Native', 'unit/client/react-native', 'nothing is renewed in the background'],
  ['an absent user', 'browser/environments', 'without input for 15 minutes nothing is renewed'],
  [
    'a lost response and a closed lid',
    'unit/client/renewal',
    'the response to a refresh is lost, and the machine sleeps',
  ],
  ['a step-up that loops', 'unit/client/fetch', 'the handler is not called again for the repeated request'],
  ['two clients of one page', 'unit/client/indexeddb', 'two clients of one page have a session each'],
];

const SOCKETS: readonly Row[] = [
  ['recovery of connections', 'integration/sockets/socket.io-limits', 'refuses a server that it cannot guard'],
  [
    'a queue that is still sent',
    'integration/sockets/socket.io-limits',
    'cuts a connection with a queue, so that nothing',
  ],
  ['messages after close()', 'integration/sockets/ws', 'and handles and sends nothing afterwards'],
  ['the id of a poll', 'integration/sockets/socket.io-limits', 'offers no polling by default; with it, judges each'],
  ['judged at the handshake only', 'integration/sockets/socket.io', 'ends a socket in the tick of the revocation'],
  ['revoked in a middleware', 'integration/sockets/socket.io', 'refuses a socket that is revoked while a middleware'],
  [
    'no reason',
    'integration/sockets/client',
    'stops when the session has ended at the server, and does not connect again',
  ],
  ['a token that is not renewed', 'integration/sockets/client', 'refuses a socket with a token of its own'],
  [
    'a refusal without an end',
    'integration/sockets/client',
    'renews once and connects when the token of the handshake',
  ],
  ['a handshake too soon', 'integration/sockets/handshakes', 'a client waits before its next handshake for as long'],
  ['a shorter wait', 'integration/sockets/handshakes', 'a handshake with a stale view names a time to wait'],
  ['codes that are mixed up', 'integration/sockets/ws', 'accepts, and then closes with a code, whatever it refuses'],
  ['a client that asks for ever', 'integration/sockets/client', 'stops when the issuer ends the session at a renewal'],
  ['a renewal that ends its socket', 'integration/sockets/socket.io', 'stays connected over a hundred renewals'],
  ['the token of another user', 'integration/sockets/socket.io', 'refuses to renew with the token of another session'],
  ['expiry', 'integration/sockets/socket.io', 'ends a socket when its token expires without a renewal'],
  ['the end of a mass', 'unit/guard/live-tokens', 'ends a mass of tokens in slices, and other work comes in between'],
  [
    'a token for other nodes',
    'integration/sockets/socket.io-limits',
    'keeps the token out of what other instances get',
  ],
  ['several instances', 'browser/game', 'users at two instances play on one board'],
  ['other origins', 'integration/sockets/socket.io-limits', 'accepts WebSockets of listed origins only'],
  ['a token in an address', 'integration/sockets/socket.io-limits', 'refuses a token in the address'],
  ['a stream after the logout', 'integration/sockets/sse', 'streams events and heartbeats, and ends with the session'],
  [
    'acknowledgements that wait',
    'integration/sockets/handshakes',
    'keeps no acknowledgement of a socket that has ended',
  ],
  [
    'a client that sends none',
    'integration/sockets/handshakes',
    'disconnects a client that leaves out more than 10 000',
  ],
  ['a silent connection', 'integration/sockets/handshakes', 'a connection that sends no token is closed'],
  ['a slow reader', 'integration/sockets/socket.io-limits', 'cuts a client that reads too slowly'],
  ['namespaces', 'integration/sockets/socket.io-limits', 'ends the namespaces of one session on a connection'],
  ['a token that is no text', 'integration/sockets/socket.io', 'refuses a handshake without a usable token'],
];

describe.each([
  ['a client', CLIENT],
  ['a socket', SOCKETS],
])('a known failure of %s', (_, rows) => {
  test.each(rows)('%s has a test', (_failure, file, title) => {
    const text = readFileSync(new URL(`../../${file}.test.ts`, import.meta.url), 'utf8');
    expect(text).toContain(title);
  });
});
