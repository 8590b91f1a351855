import { basicAuthorization } from '@rescind/revocation/http';
import { reach } from '../admin.ts';
import { CliError } from '../errors.ts';
import { requireSecure } from '../settings.ts';
import { readSecret } from './environment.ts';
import type { Check, Finding } from './finding.ts';

/** Whether the administrators' port is reachable and takes the credentials. */
export const checkServer: Check = async ({ context }) => {
  const { RESCIND_SERVER: server } = context.settings();
  const fail = (code: string, evidence: string, cure?: string): Finding[] => [
    { code, group: 'server', status: 'fail', evidence, cure },
  ];
  try {
    await context.admin().get('/admin/openapi.json');
    return [{ code: 'server_answers', group: 'server', status: 'pass', evidence: server }];
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    if (error.code === 'server_unreachable')
      return fail(
        'server_unreachable',
        error.message,
        'start user-management, or correct RESCIND_SERVER: the address of ADMIN_PORT',
      );
    if (error.exit === 'not_found')
      return fail(
        'server_unexpected',
        `${server} has no /admin`,
        'correct RESCIND_SERVER: it must be the address of ADMIN_PORT',
      );
    if (error.exit === 'credentials' && error.code !== 'credentials_missing')
      return fail('credentials_wrong', `${server}: ${error.message}`, error.next);
    return fail(error.code, error.message, error.next);
  }
};

const METADATA = '/.well-known/oauth-authorization-server';

/** Whether the issuer is reachable under its address, and calls itself by the configured name. */
export const checkIssuer: Check = async ({ context, environment }) => {
  const configured = context.settings();
  const issuer = environment?.ISSUER ?? configured.RESCIND_ISSUER;
  if (issuer === undefined) return [];
  const address =
    environment?.ISSUER_URL ?? (environment === undefined ? configured.RESCIND_ISSUER_URL : undefined) ?? issuer;
  const fail = (code: string, evidence: string, cure: string): Finding[] => [
    { code, group: 'issuer', status: 'fail', evidence, cure },
  ];
  if (!URL.canParse(address))
    return fail('issuer_invalid', `${issuer} is not a URL`, 'set ISSUER to the address of user-management');
  const { pathname, origin } = new URL(address);
  const path = pathname.replace(/\/$/, '');
  const url = new URL(`${origin}${METADATA}${path}`);
  try {
    const response = await reach(url, {}, configured.RESCIND_TIMEOUT);
    const metadata: unknown = await response.json().catch(() => undefined);
    const named =
      typeof metadata === 'object' && metadata !== null && 'issuer' in metadata ? metadata.issuer : undefined;
    if (!response.ok || typeof named !== 'string')
      return fail(
        'issuer_unexpected',
        `${url} answered ${response.status}`,
        'ISSUER_URL must be the public address of user-management',
      );
    if (named !== issuer)
      return fail(
        'issuer_differs',
        `${address} calls itself ${named}, and ${issuer} is configured`,
        'make ISSUER of the service equal to ISSUER of user-management, character by character',
      );
    return [{ code: 'issuer_agrees', group: 'issuer', status: 'pass', evidence: issuer }];
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    return fail(
      'issuer_unreachable',
      error.message,
      'start user-management, or set ISSUER_URL to the address under which it is reached',
    );
  }
};

/** Whether the issuer takes the credentials of the reader of the log. */
export const checkLog: Check = async ({ context, environment }) => {
  const configured = context.settings();
  const issuer =
    environment?.ISSUER_URL ?? environment?.ISSUER ?? configured.RESCIND_ISSUER_URL ?? configured.RESCIND_ISSUER;
  const id = environment?.FEED_CLIENT_ID ?? configured.RESCIND_FEED_CLIENT_ID;
  const secret =
    environment === undefined ? configured.RESCIND_FEED_CLIENT_SECRET : readSecret(environment, 'FEED_CLIENT_SECRET');
  if (issuer === undefined || id === undefined || secret === undefined || !URL.canParse(issuer)) return [];
  const finding = (code: string, status: Finding['status'], evidence: string, cure?: string): Finding[] => [
    { code, group: 'log', status, evidence, cure },
  ];
  try {
    requireSecure(issuer, configured);
    const url = new URL(`${issuer.replace(/\/$/, '')}/revocations`);
    const headers = { Authorization: basicAuthorization(id, secret) };
    const response = await reach(url, { headers }, configured.RESCIND_TIMEOUT);
    await response.body?.cancel();
    if (response.status === 200) return finding('log_readable', 'pass', `${id} reads ${url}`);
    if (response.status === 401 || response.status === 429)
      return finding(
        'feed_credentials_wrong',
        'fail',
        `${url} refuses ${id} (${response.status})`,
        'register the reader: POST /admin/feed-clients, or correct its secret',
      );
    return finding(
      'log_unreadable',
      'fail',
      `${url} answered ${response.status}`,
      'ISSUER_URL must be the public address of user-management',
    );
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    const code = error.code === 'server_unreachable' ? 'log_unreachable' : error.code;
    return finding(
      code,
      'fail',
      error.message,
      error.next === 'rescind doctor' ? 'start user-management, or set ISSUER_URL' : error.next,
    );
  }
};
