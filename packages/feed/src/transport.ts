import type { DurationMs } from '@rescind/revocation';
import type { OptionCheck } from '@rescind/revocation/options';
import { option, optionsOf, required } from '@rescind/revocation/options';
import type { Feed, Transport, TransportAbilities } from './ports.ts';

const STALL_MS: DurationMs = 30_000;
/** A heartbeat each 10 s. */
const STANDBY_STALL_MS: DurationMs = 25_000;

/** What the follower's core knows of a transport. */
export type TransportDescription = Pick<Transport, 'name' | 'abilities'>;

/** The transports of a feed as the core knows them. */
export interface FeedDescription {
  /** The transport that is read first. */
  readonly primary: TransportDescription;
  /** Undefined or absent: there is none. */
  readonly fallback?: TransportDescription | undefined;
}

/** A name and every ability. */
export interface TransportSettings {
  readonly name: string;
  readonly fromIssuer: boolean;
  readonly opensWithHeartbeat: boolean;
  readonly standby: boolean;
  readonly stallMs: DurationMs;
  readonly standbyStallMs: DurationMs;
}

export function toTransportSettings({ name, abilities = {} }: TransportDescription): TransportSettings {
  return {
    name,
    fromIssuer: abilities.fromIssuer ?? false,
    opensWithHeartbeat: abilities.opensWithHeartbeat ?? false,
    standby: abilities.standby ?? false,
    stallMs: abilities.stallMs ?? STALL_MS,
    standbyStallMs: abilities.standbyStallMs ?? STANDBY_STALL_MS,
  };
}

/** Names end up in the labels of metrics. */
const nameOption = option.text(
  "a lower-case letter, then up to 31 lower-case letters, digits and '_'",
  /^[a-z][a-z0-9_]{0,31}$/,
);
const abilityOptions = optionsOf<TransportAbilities>('a transport', {
  fromIssuer: option.flag(),
  opensWithHeartbeat: option.flag(),
  standby: option.flag(),
  stallMs: option.duration(),
  standbyStallMs: option.duration(),
});
const endpointOption = option.record(option.string(), { min: 0 });
const evidenceOption = option.callable('a function that hands the issuer a signed record');
const reportOption = option.callable('a function that hands the issuer a report of this instance');

const EXPECTED = 'a transport such as httpTransport(…) or kafkaTransport(…)';

/** Checks the description of a transport. The transport is used as it is. */
function described<T extends TransportDescription>(check: OptionCheck<T & Partial<Transport>>): OptionCheck<T> {
  return (value, path) => {
    const transport = check(value, path);
    nameOption(transport.name, `${path}.name`);
    if (transport.abilities !== undefined) abilityOptions(transport.abilities, `${path}.abilities`);
    if (transport.endpoint !== undefined) endpointOption(transport.endpoint, `${path}.endpoint`);
    if (transport.submitEvidence !== undefined) evidenceOption(transport.submitEvidence, `${path}.submitEvidence`);
    if (transport.submitReport !== undefined) reportOption(transport.submitReport, `${path}.submitReport`);
    return transport;
  };
}

function distinct<T extends FeedDescription>(check: OptionCheck<Readonly<T>>): OptionCheck<Readonly<T>> {
  return (value, path) => {
    const feed = check(value, path);
    if (feed.fallback?.name !== feed.primary.name) return feed;
    throw new TypeError(`${path}.fallback must have another name than ${path}.primary, which is ${feed.primary.name}`);
  };
}

const transportOption = described(option.having<Transport>(EXPECTED, 'open'));
const descriptionOption = described(option.having<TransportDescription>(EXPECTED));

/** The check of the option `feed`. */
export const feedOptions = distinct(
  optionsOf<Feed>('feed', { primary: required(transportOption), fallback: transportOption }),
);

/** The same for the core, which opens nothing. */
export const feedDescriptionOptions = distinct(
  optionsOf<FeedDescription>('feed', { primary: required(descriptionOption), fallback: descriptionOption }),
);
