import type { CertifiedKey } from './certificates.ts';
import { createAuthority } from './certificates.ts';

/** Access to the listeners with authentication. Keys and certificates are generated for this broker. */
export interface SecureAccess {
  /** TLS with a client certificate. The principal is `User:CN=client`. */
  readonly tlsBrokers: readonly string[];
  /** SASL over TLS: plain, scram-sha-256 and scram-sha-512, for the users given. */
  readonly saslBrokers: readonly string[];
  /** The authority that signed the brokers' certificates, PEM. */
  readonly ca: string;
  readonly client: CertifiedKey;
}

export interface SecureFiles {
  readonly properties: Readonly<Record<string, string>>;
  readonly formatArguments: readonly string[];
  readonly ca: string;
  readonly client: CertifiedKey;
}

/**
 * Creates the settings for authentication. Clients of the plain-text listener (this machine only) and `admin` have all permissions;
 * other clients by TLS or SASL have those of an ACL.
 */
export function createSecureFiles(users: Readonly<Record<string, string>>): SecureFiles {
  const authority = createAuthority('Rescind test authority');
  const server = authority.issue('broker', ['localhost', '127.0.0.1']);
  const names = Object.entries(users);
  for (const [name, password] of names) {
    if (!/^\w+$/.test(name) || !/^[\w-]+$/.test(password))
      throw new TypeError(`the name and password of the user ${name} must be letters, digits and _`);
  }
  const plainUsers = names.map(([name, password]) => `user_${name}="${password}"`).join(' ');
  return {
    ca: authority.certificate,
    client: authority.issue('client', []),
    formatArguments: names.flatMap(([name, password]) =>
      ['SCRAM-SHA-256', 'SCRAM-SHA-512'].flatMap((mechanism) => [
        '--add-scram',
        `${mechanism}=[name=${name},password=${password}]`,
      ]),
    ),
    properties: {
      'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
      'super.users': 'User:ANONYMOUS;User:admin',
      ...tlsProperties('tls', server, authority.certificate),
      'listener.name.tls.ssl.client.auth': 'required',
      ...tlsProperties('sasl', server, authority.certificate),
      'listener.name.sasl.sasl.enabled.mechanisms': 'PLAIN,SCRAM-SHA-256,SCRAM-SHA-512',
      'listener.name.sasl.plain.sasl.jaas.config': loginModule(`plain.PlainLoginModule required ${plainUsers}`),
      'listener.name.sasl.scram-sha-256.sasl.jaas.config': loginModule('scram.ScramLoginModule required'),
      'listener.name.sasl.scram-sha-512.sasl.jaas.config': loginModule('scram.ScramLoginModule required'),
    },
  };
}

const loginModule = (rest: string) => `org.apache.kafka.common.security.${rest};`;

function tlsProperties(listener: string, server: CertifiedKey, ca: string): Record<string, string> {
  const prefix = `listener.name.${listener}.ssl`;
  return {
    [`${prefix}.keystore.type`]: 'PEM',
    [`${prefix}.keystore.key`]: onOneLine(server.key),
    [`${prefix}.keystore.certificate.chain`]: onOneLine(server.certificate),
    [`${prefix}.truststore.type`]: 'PEM',
    [`${prefix}.truststore.certificates`]: onOneLine(ca),
  };
}

/** In a properties file `\n` is the end of a line. */
const onOneLine = (pem: string) => pem.trimEnd().replaceAll('\n', '\\n');
