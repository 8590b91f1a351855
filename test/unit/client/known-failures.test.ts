import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';

// How clients and sockets of other libraries fail their users, each with the test that would notice it here, by its file and a part of its
// title. A test that is renamed or removed fails this file.

type Row = readonly [failure: string, file: string, title: string];

const CLIENT: readonly Row[] = [
  [
    'a grace of seconds, and a lid that is closed',
    'unit/client/renewal',
    'the response to a refresh is lost, and the machine sleeps for a day',
  ],
  ['a lock that is taken for the truth', 'unit/client/tabs', 'the session renews where it %s'],
  [
    'a failure that is taken for the end of the session',
    'unit/client/renewal',
    '%s keeps the session, which then renews',
  ],
  [
    'a record that does not say whose it is',
    'unit/client/tabs',
    'another login ends the session of the other tab as replaced',
  ],
  ['a lock that never ends', 'unit/client/tabs', 'a lock that is held for ever delays a renewal by five seconds'],
  [
    'a listener that calls the client',
    'unit/client/renewal',
    'listeners that throw, wait for the session or never end',
  ],
  [
    'a frozen tab that holds the lock',
    'browser/faults',
    'a tab that was frozen in the middle of a renewal delays no other',
  ],
  ['a stolen lock', 'unit/client/tabs', 'no source of this package steals a lock'],
  ['no Web Locks', 'browser/environments', 'two tabs renew again and again, and stay logged in'],
  ['a mutex of the library’s own', 'unit/client/tabs', 'without any lock, 200 concurrent renewals of two tabs'],
  [
    'a lock that keeps a page out of the back/forward cache',
    'browser/environments',
    'a page that renews is kept by the back/forward cache',
  ],
  ['windows that wake at once', 'unit/client/tabs', 'both wake after an hour of sleep: one request'],
  ['an old value that is read or written back', 'unit/client/tabs', 'a late write of an older pair changes nothing'],
  [
    'a loser of a race that deletes the tokens of the winner',
    'unit/client/tabs',
    'a tab whose token is refused because another one was faster',
  ],
  [
    'a flight that is forgotten when it settles',
    'unit/client/renewal',
    'a call in the microtask in which the flight settles',
  ],
  [
    'IndexedDB that throws, hangs or is lost',
    'unit/client/indexeddb',
    '%s, the session is kept in memory, and a warning says so once',
  ],
  ['a page without focus, in a frame of another origin', 'browser/origins', '%s renews on time without focus'],
  ['several tabs with a memory each', 'unit/client/tabs', 'in body mode each tab with a memory of its own'],
  ['renewals and 401 in turn', 'unit/client/fetch', 'that is refused again goes to the caller'],
  ['a 401 of another provider', 'unit/client/fetch', 'with a challenge of Basic'],
  ['late 401 responses to an old token', 'unit/client/fetch', '50 at once, whose responses spread over the renewal'],
  [
    'a refresh that hangs, with all that wait for it',
    'unit/client/renewal',
    'a refresh that never ends is given up after 10 s',
  ],
  ['a refresh through the wrapped fetch', 'unit/client/fetch', 'a global fetch that is replaced afterwards'],
  [
    'a token for a third party, or along a redirect',
    'integration/client/network',
    'a request that is redirected to another origin arrives there without the token',
  ],
  [
    'a Request whose body was read',
    'unit/client/fetch',
    'that of a Request is sent again, with its headers and method',
  ],
  ['copies of long bodies', 'unit/client/fetch', 'a long body of a Request is not copied'],
  ['a stream that is uploaded', 'browser/origins', 'to an API %s is not repeated after a 401'],
  ['an upload that is cut off', 'integration/client/network', 'an upload that the server cuts off is a network error'],
  ['a caller that aborts the refresh of all', 'unit/client/renewal', 'an abort rejects the call of its caller only'],
  ['a POST that is repeated after a network error', 'unit/client/fetch', 'is not repeated after a network error'],
  ['a page that is left in the middle of a refresh', 'browser/faults', 'a tab that is left in the middle of a renewal'],
  ['a deployment as a logout', 'unit/client/odd-issuers', 'is no refusal of the issuer, and ends no session'],
  ['endless attempts offline, or none', 'unit/client/renewal', 'offline for five minutes: at most 12 attempts'],
  ['Retry-After that is ignored', 'unit/client/renewal', 'obeys Retry-After: %s'],
  ['verdicts that are turned round', 'unit/client/renewal', '%s (%s) ends it once, as %s'],
  ['an event without a change', 'unit/client/renewal', 'failures in a row change the snapshot once'],
  ['429 as a logout, or as a storm', 'unit/client/odd-issuers', 'asks again within ten minutes, and not at once'],
  ['a wrong clock', 'browser/faults', 'tokens are renewed on time and every request is accepted'],
  ['a tolerance with the wrong sign', 'unit/client/renewal', 'renews a lead time before the end at the latest'],
  ['a machine that slept', 'unit/client/logout', 'a machine that slept for an hour uses no token from before'],
  ['a refresh that logs in again', 'unit/client/logout', 'wins over a renewal at whatever moment it comes'],
  ['a late cookie', 'browser/faults', 'a response to a refresh that arrives after the logout'],
  [
    'a logout offline that is forgotten',
    'browser/faults',
    'a logout without a connection ends the session in the page',
  ],
  [
    'a tab that never hears of the logout',
    'browser/faults',
    'a tab that was frozen during a logout is logged out when it thaws',
  ],
  ['the back button', 'browser/ends', 'the back button after a logout shows the login, not the claims'],
  ['a switch of accounts', 'browser/ends', 'which never sends requests as the second user'],
  ['timers on a server', 'unit/client/renewal', '10,000 sessions outside of a page leave no timer'],
  [
    'a server and a browser that both renew',
    'unit/client/renewal',
    'does nothing on time before start(), and nothing after stop()',
  ],
  ['a hint that locks out', 'unit/client/odd-issuers', 'whose hint of a session was deleted sends nothing'],
  ['cookies of another port, or another site', 'browser/origins', 'two applications at two ports of one host'],
  ['timers in the background of a telephone', 'unit/client/react-native', 'nothing is renewed in the background'],
  ['an absent user who is kept logged in', 'browser/environments', 'without input for 15 minutes nothing is renewed'],
  ['a step-up that loops', 'unit/client/fetch', 'the handler is not called again for the repeated request'],
  [
    'a step-up whose token is from before',
    'unit/client/fetch',
    'that began before the authentication does not bring the next token',
  ],
  ['the page of another site', 'browser/origins', 'gets the code cookie_missing at its renewal'],
  ['a refresh along a redirect', 'unit/client/odd-issuers', 'a redirect is not followed'],
  ['a set-up that cannot work', 'unit/client/options', 'is refused with the name of the option'],
  ['two clients of one page', 'unit/client/indexeddb', 'two clients of one page have a session each'],
];

const SOCKETS: readonly Row[] = [
  [
    'missed messages that come before the token is judged',
    'integration/sockets/socket.io-limits',
    'refuses a server that it cannot guard',
  ],
  [
    'a recovered connection with the rooms of another user',
    'integration/sockets/socket.io-limits',
    'connectionStateRecovery must be left out',
  ],
  [
    'a queue that is still sent',
    'integration/sockets/socket.io-limits',
    'cuts a connection with a queue, so that nothing',
  ],
  [
    'a close() that leaves a session to recover',
    'integration/sockets/socket.io',
    'ends a socket in the tick of the revocation, with its reason',
  ],
  ['messages that are handled after close()', 'integration/sockets/ws', 'and handles and sends nothing afterwards'],
  [
    'the id of a poll, which is a secret',
    'integration/sockets/socket.io-limits',
    'offers no polling by default; with it, judges each',
  ],
  [
    'a token that is judged at the handshake only',
    'integration/sockets/socket.io',
    'handles no event and no acknowledgement of a raw client',
  ],
  [
    'a revocation while a middleware runs',
    'integration/sockets/socket.io',
    'refuses a socket that is revoked while a middleware',
  ],
  ['an end without a reason', 'integration/sockets/client', 'stops when the session has ended at the server'],
  ['a dead token at each handshake', 'integration/sockets/client', 'refuses a socket with a token of its own'],
  [
    'a refusal after which nothing is tried, or everything',
    'integration/sockets/client',
    'stops at a refusal that a newer token cannot mend',
  ],
  [
    'a connection that is back before the token is',
    'integration/sockets/client',
    'renews once and connects when the token of the handshake',
  ],
  ['codes that are mixed up', 'integration/sockets/ws', 'accepts, and then closes with a code, whatever it refuses'],
  ['a client that asks for ever', 'integration/sockets/client', 'stops when the issuer ends the session at a renewal'],
  ['a renewal that ends its own socket', 'integration/sockets/socket.io', 'stays connected over a hundred renewals'],
  [
    'a renewal with the token of another user',
    'integration/sockets/ws',
    'renews in place, and refuses the token of another session',
  ],
  [
    'a token that expires while the socket stays',
    'integration/sockets/socket.io',
    'ends a socket when its token expires without a renewal',
  ],
  ['a timer for each socket', 'unit/guard/live-tokens', 'and ends at it, without a timer for each token'],
  ['an end that depends on other instances', 'browser/game', 'a revocation ends the game of a user at either'],
  [
    'a token that other instances receive',
    'integration/sockets/socket.io-limits',
    'keeps the token out of what other instances get',
  ],
  ['polls that reach another instance', 'browser/game', 'users at two instances play on one board'],
  ['WebSockets of other origins', 'integration/sockets/socket.io-limits', 'accepts WebSockets of listed origins only'],
  ['a token in an address', 'integration/sockets/socket.io-limits', 'refuses a token in the address'],
  [
    'a client that connects again at once',
    'integration/sockets/handshakes',
    'a client waits before its next handshake for as long',
  ],
  [
    'a stream that goes on after the logout',
    'integration/sockets/sse',
    'streams events and heartbeats, and ends with the session',
  ],
  [
    'acknowledgements that wait for ever',
    'integration/sockets/handshakes',
    'keeps no acknowledgement of a socket that has ended',
  ],
  [
    'a herd after a mass logout',
    'unit/guard/live-tokens',
    'ends a mass of tokens in slices, and other work comes in between',
  ],
  ['a slow reader', 'integration/sockets/socket.io-limits', 'cuts a client that reads too slowly'],
  [
    'a stale view without a time to wait',
    'integration/sockets/handshakes',
    'a handshake with a stale view names a time to wait',
  ],
  [
    'a client that answers no acknowledgement',
    'integration/sockets/handshakes',
    'disconnects a client that leaves out more than 10 000',
  ],
  ['a connection that sends no token', 'integration/sockets/handshakes', 'a connection that sends no token is closed'],
  [
    'several namespaces on one connection',
    'integration/sockets/socket.io-limits',
    'ends the namespaces of one session on a connection',
  ],
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
