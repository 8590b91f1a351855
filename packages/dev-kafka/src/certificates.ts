import type { KeyObject } from 'node:crypto';
import { generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { isIP } from 'node:net';

/** A certificate and its key, PEM. */
export interface CertifiedKey {
  readonly certificate: string;
  /** PKCS#8. */
  readonly key: string;
}

interface Authority {
  readonly certificate: string;
  /** Issues a certificate. @param hosts its DNS names and IPv4 addresses */
  issue(commonName: string, hosts: readonly string[]): CertifiedKey;
}

const DAY_MS = 86_400_000;
/** Validity: longer than any test run, and short, since these are development certificates. */
const LIFE_MS = 30 * DAY_MS;

/** Creates a certificate authority of one test run: P-256, X.509 version 3 (RFC 5280). Its key is never written to a file. */
export function createAuthority(commonName: string): Authority {
  const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const isAuthority = extension('2.5.29.19', sequence(der(0x01, Buffer.from([0xff]))), true);
  const signed = (subject: string, publicKey: KeyObject, extensions: readonly Buffer[]) =>
    toCertificate({ issuer: commonName, subject, publicKey, extensions, signingKey: keys.privateKey });
  return {
    certificate: signed(commonName, keys.publicKey, [isAuthority]),
    issue(subject, hosts) {
      const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      const extensions =
        hosts.length === 0 ? [] : [extension('2.5.29.17', sequence(...hosts.map(toGeneralName)), false)];
      return {
        certificate: signed(subject, publicKey, extensions),
        key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
      };
    },
  };
}

interface CertificateParts {
  readonly issuer: string;
  readonly subject: string;
  readonly publicKey: KeyObject;
  readonly extensions: readonly Buffer[];
  readonly signingKey: KeyObject;
}

function toCertificate(parts: CertificateParts): string {
  const algorithm = sequence(objectIdentifier('1.2.840.10045.4.3.2')); // ecdsa-with-SHA256
  const now = Date.now();
  const body = sequence(
    der(0xa0, der(0x02, Buffer.from([2]))), // version 3
    der(0x02, Buffer.concat([Buffer.from([1]), randomBytes(15)])), // serial number, positive
    algorithm,
    toName(parts.issuer),
    sequence(toTime(now - DAY_MS), toTime(now + LIFE_MS)),
    toName(parts.subject),
    parts.publicKey.export({ type: 'spki', format: 'der' }),
    ...(parts.extensions.length === 0 ? [] : [der(0xa3, sequence(...parts.extensions))]),
  );
  const signature = der(0x03, Buffer.concat([Buffer.from([0]), sign('sha256', body, parts.signingKey)]));
  const base64 = sequence(body, algorithm, signature).toString('base64').replace(/.{64}/g, '$&\n').trimEnd();
  return `-----BEGIN CERTIFICATE-----\n${base64}\n-----END CERTIFICATE-----\n`;
}

function der(tag: number, content: Buffer): Buffer {
  const { length } = content;
  if (length < 0x80) return Buffer.concat([Buffer.from([tag, length]), content]);
  const bytes = length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...bytes]), content]);
}

const sequence = (...members: readonly Buffer[]) => der(0x30, Buffer.concat(members));

function objectIdentifier(text: string): Buffer {
  const [first = 0, second = 0, ...rest] = text.split('.').map(Number);
  return der(0x06, Buffer.from([first * 40 + second, ...rest.flatMap(toBase128)]));
}

function toBase128(value: number): number[] {
  const digits = [value & 0x7f];
  for (let left = value >> 7; left > 0; left >>= 7) digits.unshift((left & 0x7f) | 0x80);
  return digits;
}

function toName(commonName: string): Buffer {
  const attribute = sequence(objectIdentifier('2.5.4.3'), der(0x0c, Buffer.from(commonName)));
  return sequence(der(0x31, attribute));
}

function toTime(at: number): Buffer {
  // UTCTime: YYMMDDHHMMSSZ.
  const digits = new Date(at).toISOString().replace(/[-:T]|\.\d+/g, '');
  return der(0x17, Buffer.from(digits.slice(2)));
}

function toGeneralName(host: string): Buffer {
  return isIP(host) === 4 ? der(0x87, Buffer.from(host.split('.').map(Number))) : der(0x82, Buffer.from(host));
}

function extension(id: string, value: Buffer, critical: boolean): Buffer {
  const mark = critical ? [der(0x01, Buffer.from([0xff]))] : [];
  return sequence(objectIdentifier(id), ...mark, der(0x04, value));
}
