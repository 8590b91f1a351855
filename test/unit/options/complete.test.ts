import { expect, test } from 'vitest';
import { documentedNames, functionsThatTakeObjects } from './public-functions.ts';
import { FUNCTIONS } from './table.ts';

const DATA = 'data that another function of ours made';
const PORT = 'a port that the host implements, with methods';
const ROUTE = 'a route that the guard checked when it was given';
const SETTINGS = 'settings that readConfiguration has read, or the schema of them';
const REQUEST = 'the parts of a request, which come from the network';
const MECHANISM = 'the options of the mechanism itself, which the packages write as literals';

/** Parameters that are objects and not options, each with the reason why it is not closed. */
const OTHERS: Readonly<Record<string, string>> = {
  'attachSession(session)': DATA,
  'keyValueStore(storage)': PORT,
  'signingKeyToPem(key)': DATA,
  'reloadedText(reloads)': DATA,
  'run(service)': PORT,
  'run(host)': PORT,
  'runCli(host)': PORT,
  'openService(service)': PORT,
  'openGuarded(__0)': PORT,
  'openGuarded(__1)': PORT,
  'configuredFeed(context)': PORT,
  'openMemoryCursor(log)': PORT,
  'openTelemetry(api)': 'a module of another package; a module without its functions is refused',
  'openBulkDecoder(__0)': 'those of createEventDecoder, which it checks, and a telemetry',
  'openBulkDecoder(decoder)': PORT,
  'guardOptions(configuration)': SETTINGS,
  'kafkaConnection(configuration)': SETTINGS,
  'processSettings(ports)': 'two port numbers, both required, which our services write as a literal',
  'readConfiguration(settings)': SETTINGS,
  'configurationTable(settings)': SETTINGS,
  'createIssuerClock(clock)': PORT,
  'createIssuerClock(floor)': PORT,
  'createIssuerClock(reference)': PORT,
  'createReferenceClock(clock)': PORT,
  'mergeRows(a)': DATA,
  'mergeRows(b)': DATA,
  'isLogTimeOld(__0)': DATA,
  'prunableBefore(times)': DATA,
  'lowerAccountTimes(sql)': PORT,
  'toRow(cutOff)': DATA,
  'writeCutOff(__0)': DATA,
  'eventTypeName(revocation)': DATA,
  'judge(token)': DATA,
  'judge(find)': PORT,
  'judge(options)': 'called for each request, with skewMs that the guard has checked',
  'createAccountRows(sql)': PORT,
  'createAccountRows(sealer)': PORT,
  'filterRows(find)': PORT,
  'toDenyingRow(row)': DATA,
  'createHealthMetrics(__1)': PORT,
  'probe(guard)': PORT,
  'probes(guard)': PORT,
  'readBearerToken(request)': PORT,
  'RequireToken(opts)': 'a decorator of Nest, whose route tokenGuard checks',
  'createMetricStore(__0)': 'guard and service alone call it, with a literal',
  'readinessReport(__0)': PORT,
  'recordStep(telemetry)': 'issuer and follower alone call it, with the telemetry of their options',
  'createWalLimit(__0)': 'issuer and denylist alone call it, with a literal',
  'option.url(__0)': MECHANISM,
  'option.count(__0)': MECHANISM,
  'option.duration(__0)': MECHANISM,
  'option.list(__1)': MECHANISM,
  'option.record(__1)': MECHANISM,
  'composeBatch(send)': DATA,
  'createReceipts(__0)': 'the issuer alone calls it, with a literal',
  'challengeOf(error)': DATA,
  'challengeOf(required)': ROUTE,
  'bearerChallenge(error)': DATA,
  'bearerChallenge(required)': ROUTE,
  'errorResponse(error)': DATA,
  'errorResponse(options)': MECHANISM,
  'corsHeaders(__0)': REQUEST,
  'nodeFetch(init)': 'a part of what fetch takes, which the packages write as a literal',
  'readBearer(__0)': REQUEST,
  'isHttpUrl(__1)': MECHANISM,
  'readBody(__1)': MECHANISM,
  'readText(__2)': MECHANISM,
  'readRefreshCookie(request)': REQUEST,
  'hasCsrfHeader(__0)': REQUEST,
  'refreshCookieClients(request)': REQUEST,
  'clearedEndedCookies(request)': REQUEST,
  'requireOfRoute(route)': 'test/unit/guard/options.test.ts calls it with a wrong route',
  'watchTransaction(tx)': PORT,
  'watchTransaction(__1)': PORT,
  'toHostTelemetry(given)': 'guard and issuer alone call it, with what telemetryOption has checked',
  'createProbe(__0)': 'guard and issuer alone call it, with a literal',
  'toRequestError(error)': DATA,
  'toRequestError(route)': ROUTE,
  'isSigned(record)': DATA,
  'codeOf(__0)': DATA,
  'protectedUrl(instance)': DATA,
};

test('every exported function that takes an object is in the table of closed ones, or on the list with a reason', () => {
  const closed = new Set(Object.keys(FUNCTIONS).map((name) => name.replace(/\(.*/, '')));
  const open = functionsThatTakeObjects()
    .filter(({ name }) => !closed.has(name))
    .map(({ name, parameter }) => `${name}(${parameter})`);
  // Compares both lists completely, so that the entry of a removed function is found too.
  expect(open.sort()).toEqual(Object.keys(OTHERS).sort());
});

test('the compiler finds functions of every entry point', () => {
  const names = functionsThatTakeObjects().map(({ name }) => name);
  expect(names).toEqual(expect.arrayContaining(['createGuard', 'guard', 'openTestKit', 'openIssuer', 'setting.port']));
});

test('every optional option of a host accepts undefined, as its check does', () => {
  // guard and issuer alone call these, with literals.
  const literals = /^(VerifierOptions|DenylistOptions)\./;
  const refusing = documentedNames().filter(
    ({ isOption, isOptional, acceptsUndefined }) => isOption && isOptional && !acceptsUndefined,
  );
  expect(refusing.map(({ name }) => name).filter((name) => !literals.test(name))).toEqual([]);
});
