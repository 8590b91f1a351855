import { createHmac } from 'node:crypto';
import type { EpochMillis } from '@rescind/revocation';

/** The prefix of a secret of Standard Webhooks; what follows is base64. */
const PREFIX = 'whsec_';
/** Standard Webhooks, "Signature scheme": 24 to 64 bytes. */
const [LEAST_BYTES, MOST_BYTES] = [24, 64];
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;

/** The bytes of `whsec_…`, or undefined where it is none. */
export function parseWebhookSecret(text: string): Buffer | undefined {
  const encoded = text.startsWith(PREFIX) ? text.slice(PREFIX.length) : text;
  if (!BASE64.test(encoded)) return undefined;
  const bytes = Buffer.from(encoded, 'base64');
  return bytes.length >= LEAST_BYTES && bytes.length <= MOST_BYTES ? bytes : undefined;
}

/** The headers of one delivery: the id is the notice's, the time and the signature are this attempt's. */
export function webhookHeaders(secret: Buffer, id: string, body: string, at: EpochMillis): Record<string, string> {
  const timestamp = String(Math.floor(at / 1000));
  const signature = createHmac('sha256', secret).update(`${id}.${timestamp}.${body}`).digest('base64');
  return { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': `v1,${signature}` };
}

/** Whether an address may be told personal things: by TLS, or on this machine. */
export function isPrivateWay(url: string): boolean {
  const { protocol, hostname } = new URL(url);
  return protocol === 'https:' || hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d+){3}$/.test(hostname);
}
