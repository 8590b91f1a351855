import { requireSessionPolicy } from '../clients/requirements.ts';
import type { BeginSession, Origin } from '../issuer-sessions.ts';

/** What an event can name: a session must not begin that no cut-off could end. */
const MAX_NAME_LENGTH = 1_024;
const MAX_LABEL_LENGTH = 128;
/** An IPv6 address with a zone; a user agent's first words say which it is. */
const MAX_ADDRESS_LENGTH = 64;
const MAX_USER_AGENT_LENGTH = 256;
/** Controls, characters that turn the direction of others or are invisible, and line ends. */
const NOT_VISIBLE = /[\p{Cc}\p{Default_Ignorable_Code_Point}\p{Bidi_Control}\u2028\u2029\ufff9-\ufffb]/gu;

/** @throws TypeError for what the host should not have asked */
export function requireLogin(login: BeginSession): void {
  const { sub, clientId, audience, resource, credentialVersion, deviceName, deviceId, storage, amr, acr, policy } =
    login;
  if (!isName(sub)) throw new TypeError(`sub must be text of 1 to ${MAX_NAME_LENGTH} characters`);
  if (!isName(clientId)) throw new TypeError(`clientId must be text of 1 to ${MAX_NAME_LENGTH} characters`);
  const audiences = audience === undefined ? undefined : [audience].flat();
  if (audiences !== undefined && !(audiences.length > 0 && audiences.every((one) => typeof one === 'string' && one))) {
    throw new TypeError('audience must be text or a list of text');
  }
  if (resource !== undefined && !(Array.isArray(resource) && resource.every((one) => typeof one === 'string'))) {
    throw new TypeError('resource must be a list of text');
  }
  if (!Number.isSafeInteger(credentialVersion)) throw new TypeError('credentialVersion must be a whole number');
  if (deviceName !== undefined) requireLabel('deviceName', deviceName);
  if (deviceId !== undefined) requireLabel('deviceId', deviceId);
  if (storage !== undefined && storage !== 'body' && storage !== 'cookie') {
    throw new TypeError('storage must be body or cookie');
  }
  if (amr !== undefined && !(Array.isArray(amr) && amr.every(isName)))
    throw new TypeError('amr must be a list of text');
  if (acr !== undefined && !isName(acr)) throw new TypeError('acr must be text');
  if (policy !== undefined) requireSessionPolicy(policy);
}

/** @throws TypeError */
export function requireLabel(name: string, label: string): void {
  const isVisible = typeof label === 'string' && label.isWellFormed() && label.search(NOT_VISIBLE) < 0;
  if (isVisible && label !== '' && label.length <= MAX_LABEL_LENGTH) return;
  throw new TypeError(
    `${name} must be text of 1 to ${MAX_LABEL_LENGTH} characters without control or invisible characters`,
  );
}

/** Strangers write user agents: cut, and nothing in it moves a cursor. */
export function toOrigin({ address, userAgent }: Origin = {}) {
  return {
    address: address?.slice(0, MAX_ADDRESS_LENGTH) ?? null,
    userAgent: userAgent?.toWellFormed().replaceAll(NOT_VISIBLE, ' ').slice(0, MAX_USER_AGENT_LENGTH) ?? null,
  };
}

function isName(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.length <= MAX_NAME_LENGTH;
}
