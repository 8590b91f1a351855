import {
  ConfigurationError,
  guardSettings,
  kafkaSettings,
  processSettings,
  readConfiguration,
} from '@rescind/service/configuration';
import { environmentNotes } from '@rescind/service/testing';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';

const settings = z.object({
  ...processSettings({ public: 3010, management: 3011 }),
  ...guardSettings('prices'),
  ...kafkaSettings('prices'),
});
const needed = { ISSUER: 'https://issuer.example', FEED_CLIENT_SECRET: 'a-secret-of-a-test-0123456789' };

/** What Kubernetes injects for a Service of this name with a port named http and one more, IPv4 or IPv6. */
function serviceLinks(service: string, address = '10.96.17.4'): Record<string, string> {
  const name = service.toUpperCase().replaceAll('-', '_');
  const host = address.includes(':') ? `[${address}]` : address;
  const links: Record<string, string> = {
    [`${name}_SERVICE_HOST`]: address,
    [`${name}_SERVICE_PORT`]: '3000',
    [`${name}_SERVICE_PORT_HTTP`]: '3000',
    [`${name}_PORT`]: `tcp://${host}:3000`,
  };
  for (const [port, protocol] of [
    ['3000', 'tcp'],
    ['53', 'udp'],
  ] as const) {
    const link = `${name}_PORT_${port}_${protocol.toUpperCase()}`;
    links[link] = `${protocol}://${host}:${port}`;
    links[`${link}_PROTO`] = protocol;
    links[`${link}_PORT`] = port;
    links[`${link}_ADDR`] = address;
  }
  return links;
}

describe('service links of Kubernetes', () => {
  test.each(['rescind', 'rescind-issuer', 'management', 'admin', 'kafka', 'issuer', 'feed-client', 'prices'])(
    'a Service named %s changes nothing',
    (service) => {
      for (const address of ['10.96.17.4', 'fd00::17']) {
        const given = { ...needed, ...serviceLinks(service, address) };
        const read = readConfiguration(settings, given);
        expect(read).toEqual(readConfiguration(settings, needed));
        expect(environmentNotes(read).misspelt).toEqual([]);
      }
    },
  );

  test('are ignored as the value of a port, and reported', () => {
    const linked = {
      PORT: 'tcp://10.0.0.1:80',
      MANAGEMENT_PORT: 'udp://10.0.0.2:53',
      RESCIND_PORT: 'tcp://10.0.0.3:1',
    };
    const read = readConfiguration(settings, { ...needed, ...linked });
    expect([read.PORT, read.MANAGEMENT_PORT]).toEqual([3010, 3011]);
    expect(environmentNotes(read).ignored).toEqual(['PORT', 'MANAGEMENT_PORT', 'RESCIND_PORT']);
  });

  test.each([
    ['RESCIND_PORT', '3000'],
    ['RESCIND_SERVICE_HOST', 'issuer.example'],
    ['RESCIND_SERVICE_PORT', 'http'],
    ['RESCIND_PORT_3000_TCP', '3000'],
    ['RESCIND_PORT_3000_TCP_PROTO', 'http'],
    ['RESCIND_MAX_STALENESS', 'tcp://10.0.0.1:80'],
    ['MANAGEMENT_PORT', 'http://10.0.0.1:80'],
    ['PORT', 'tcp:80'],
  ])('%s=%s is no service link, and is refused', (variable, value) => {
    const read = () => readConfiguration(settings, { ...needed, [variable]: value });
    expect(read).toThrow(ConfigurationError);
    expect(read).toThrow(variable);
  });
});

describe('misspelt variables', () => {
  test.each([
    ['MAX_STALENES', 'MAX_STALENESS'],
    ['MAX_STALLENESSS', 'MAX_STALENESS'],
    ['KAFKA_BROKER', 'KAFKA_BROKERS'],
    ['kafka_brokers', 'KAFKA_BROKERS'],
    ['FEED_CLIENT_SECRET_FIEL', 'FEED_CLIENT_SECRET_FILE'],
    ['AUDIENCES', 'AUDIENCE'],
    ['PROT', 'PORT'],
  ])('%s is reported with the name %s, and without its value', (variable, meant) => {
    const { misspelt } = environmentNotes(readConfiguration(settings, { ...needed, [variable]: 'hunter2' }));
    expect(misspelt).toEqual([{ variable, problem: expect.stringContaining(`; ${meant} is one`) }]);
    expect(JSON.stringify(misspelt)).not.toContain('hunter2');
  });

  test.each(['HOME', 'PATH', 'PWD', 'HOSTNAME', 'NODE_ENV', 'KUBERNETES_PORT', 'MAX_STALENESS_ALL'])(
    '%s is not reported',
    (variable) => {
      const read = readConfiguration(settings, { ...needed, [variable]: 'anything' });
      expect(environmentNotes(read).misspelt).toEqual([]);
    },
  );
});
