import { CliError } from '../errors.ts';
import type { HealthCheck, ProcessReport } from '../management.ts';
import { countVersions, describeCheck, readProcess, troubles } from '../management.ts';
import type { Check, Examination, Finding } from './finding.ts';
import { see } from './finding.ts';

/** What to do about a health check that does not pass. */
const CURES: Readonly<Record<string, string>> = {
  ready: see(
    'wait until the log is read; if it stays so, rescind doctor --pre --service NAME --env-file FILE compares its ISSUER and credentials',
    'monitoring',
  ),
  view: see('look at the clock, the event loop and the connections of that instance', 'monitoring'),
  feed: see('the member suspect names the reason, or the check of its transport', 'monitoring'),
  feed_store: see(
    'free space or repair the disk; do not restart the instance',
    'the-disk-of-an-instance-is-full-or-fails',
  ),
  denylist: see('restart the instance', 'the-file-of-a-running-instance-was-removed-or-damaged'),
  writes: see('stop the service, then rescind restore', 'a-restored-database'),
  storage: see('look at the disk of the issuer', 'monitoring'),
  keys: see('rotate the key: rescind keys rotate', 'monitoring'),
  relay: see('look at the brokers', 'kafka-is-down'),
  kafka: see('look at the brokers, or change the setting of the topic that is named', 'kafka-is-down'),
  clock: see('correct the clock', 'the-issuers-clock'),
  configuration: see('correct the file that is named', 'configuration-changes-without-a-restart'),
};

/** Errors of a transport that credentials cure. */
const REFUSED: ReadonlySet<unknown> = new Set(['unauthorized', 'forbidden']);

/** Errors of a transport that another address cures. */
const MISSED: ReadonlySet<unknown> = new Set(['not_found', 'content_type_wrong', 'redirect_refused', 'unreachable']);

function cureOf(family: string, { lastError, configuredIssuer, foundIssuer }: HealthCheck): string {
  if (foundIssuer !== undefined)
    return `set ISSUER of that process to ${foundIssuer}, character by character (it is ${configuredIssuer}), or correct the address from which it reads`;
  if ((family === 'transport' || family === 'reports') && MISSED.has(lastError))
    return 'start user-management, or correct ISSUER_URL of that process (by default ISSUER): its public address';
  if (family === 'transport' && REFUSED.has(lastError))
    return 'correct FEED_CLIENT_ID and FEED_CLIENT_SECRET of that process, or register the reader: POST /admin/feed-clients';
  return CURES[family] ?? see('look at the log of that process', 'monitoring');
}

/** A report, and the time of this machine at which it was read. */
type Reading = (ProcessReport & { readonly readAt: number }) | CliError;

const readings = new WeakMap<Examination, Promise<readonly Reading[]>>();

/** Asks each management port once for all groups: one that does not answer costs the time-out. */
function readAll(examination: Examination): Promise<readonly Reading[]> {
  const { context } = examination;
  const { RESCIND_MANAGEMENT: urls, RESCIND_TIMEOUT: timeoutMs } = context.settings();
  const read = async (url: string): Promise<Reading> => {
    try {
      return { ...(await readProcess(url, timeoutMs)), readAt: context.now() };
    } catch (error) {
      if (error instanceof CliError) return error;
      throw error;
    }
  };
  const reading = readings.get(examination) ?? Promise.all(urls.map(read));
  readings.set(examination, reading);
  return reading;
}

/** Whether each process is reachable, ready, and passes its own health checks. */
export const checkProcesses: Check = async (examination) => {
  const reports = await readAll(examination);
  return reports.flatMap((report): Finding[] => {
    if (report instanceof CliError) {
      const code = report.code === 'server_unreachable' ? 'process_unreachable' : 'process_unexpected';
      const cure = report.next === 'rescind doctor' ? 'start it, or correct RESCIND_MANAGEMENT' : report.next;
      return [{ code, group: 'processes', status: 'fail', evidence: report.message, cure }];
    }
    const name = `${report.service} at ${report.url}`;
    const found = troubles(report).map((check): Finding => {
      const family = check.name.startsWith('transport_') ? 'transport' : check.name.replace(/ .*/, '');
      return {
        code: `health_${family}`,
        group: 'processes',
        status: check.status,
        evidence: `${name}: ${[check.name, describeCheck(check)].filter((part) => part !== '').join(': ')}`,
        cure: cureOf(family, check),
      };
    });
    found.push(...strangersOf(report).map((finding) => ({ ...finding, evidence: `${name}: ${finding.evidence}` })));
    return found.length > 0 ? found : [{ code: 'process_well', group: 'processes', status: 'pass', evidence: name }];
  });
};

/** What a service with a wrong setting refuses every token for, and the setting. */
const SETTINGS: Readonly<Record<string, string>> = {
  token_audience_wrong: 'AUDIENCE of this service with `aud` of the tokens, and AUDIENCE of user-management',
  token_issuer_unknown: 'ISSUER of this service with `iss` of the tokens',
  token_key_unknown: 'ISSUER and ISSUER_URL of this service, from where it has its keys',
};
/** The fewest refusals from which the share of them is judged. */
const MIN_REFUSED = 5;

/** A service whose guard refuses more tokens than it accepts, for a reason that is a setting. */
function strangersOf({ decisions }: ProcessReport): Finding[] {
  const accepted = [...decisions].reduce((sum, [result, n]) => sum + (result.startsWith('accepted') ? n : 0), 0);
  return Object.entries(SETTINGS).flatMap(([code, setting]) => {
    const refused = decisions.get(code) ?? 0;
    if (refused < MIN_REFUSED || refused <= accepted) return [];
    const evidence = `${refused} tokens were refused with ${code}, and ${accepted} accepted, since it started`;
    return [{ code: 'tokens_not_for_it', group: 'processes', status: 'warn', evidence, cure: `compare ${setting}` }];
  });
}

/** The wall clock of a process may differ by this much; the header `Date` is in whole seconds. */
const CLOCK_WARN_MS = 5_000;
const CLOCK_FAIL_MS = 60_000;

/** Whether this machine and each process agree about the time. */
export const checkClock: Check = async (examination) => {
  const reports = await readAll(examination);
  return reports.flatMap((report): Finding[] => {
    if (report instanceof CliError || report.date === undefined) return [];
    const differenceMs = Math.abs(report.readAt - report.date);
    const status = differenceMs > CLOCK_FAIL_MS ? 'fail' : differenceMs > CLOCK_WARN_MS ? 'warn' : 'pass';
    const evidence = `${report.service} at ${report.url} and this machine differ by ${Math.round(differenceMs / 1_000)} s`;
    const cure =
      status === 'pass'
        ? undefined
        : see('find out by `date -u` on both which one is wrong, and correct it', 'the-issuers-clock');
    return [{ code: status === 'pass' ? 'clock_agrees' : 'clock_differs', group: 'clock', status, evidence, cure }];
  });
};

/** A fleet may have two versions, while it is upgraded. */
const MAX_VERSIONS = 2;

/** Whether the processes have one version. */
export const checkVersions: Check = async (examination) => {
  const reports = await readAll(examination);
  const versions = reports.flatMap((report) => (report instanceof CliError ? [] : report.version));
  if (versions.length === 0) return [];
  const count = new Set(versions).size;
  const status = count > MAX_VERSIONS ? 'fail' : count === MAX_VERSIONS ? 'warn' : 'pass';
  const cure =
    status === 'pass'
      ? undefined
      : see('finish the roll-out: a fleet may have two versions, this one and the one before', 'upgrade');
  return [
    {
      code: status === 'pass' ? 'versions_equal' : 'versions_differ',
      group: 'versions',
      status,
      evidence: countVersions(versions),
      cure,
    },
  ];
};
