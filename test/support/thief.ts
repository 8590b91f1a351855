import { createPrivateKey, randomUUID, sign } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Fleet } from '@rescind/dev-fleet';
import { openPublisher } from '@rescind/feed-kafka';
import { onTestFinished } from 'vitest';

/** A thief who has copied the directory of the keys, signs any record with them, and writes to the topic. */
export function thiefOf({ issuer, topic }: Fleet, brokers: readonly string[], stolen = '') {
  const log = issuer.environment.ISSUER ?? '';
  const publisher = openPublisher({ brokers, topic, clientId: 'thief', log, minRetentionMs: 60_000 });
  onTestFinished(() => publisher.close());
  return {
    ...stolenKey(issuer.environment.KEYS_PATH ?? '', log, stolen),
    write: (...texts: string[]) => publisher.publish(texts),
  };
}

/** Signs any payload with an event key of a directory of keys. */
export function stolenKey(directory: string, log: string, stolen = '') {
  const file =
    readdirSync(directory).find((name) => /^event-.*(?<!\.public)\.pem$/.test(name) && name.includes(stolen)) ?? '';
  const kid = file.slice('event-'.length, -'.pem'.length);
  const key = createPrivateKey(readFileSync(join(directory, file)));
  const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url');
  const jws = (claims: object, name = kid) => {
    const at = Date.now();
    const standard = { iss: log, iat: Math.floor(at / 1000), iat_ms: at, jti: randomUUID() };
    const text = `${encode({ alg: 'RS256', typ: 'secevent+jwt', kid: name })}.${encode({ ...standard, ...claims })}`;
    return `${text}.${sign('RSA-SHA256', Buffer.from(text), key).toString('base64url')}`;
  };
  return {
    kid,
    jws,
    heartbeat: (epoch: string, more: object = {}) =>
      jws({ events: { 'https://rescind.dev/events/heartbeat': {} }, epoch, head: 0, last: null, floor: 1, ...more }),
  };
}
