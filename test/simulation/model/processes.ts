import { startIssuer } from './issuer.ts';
import { startRelay } from './relay.ts';
import { setClock } from './set-clock.ts';
import type { World } from './setting.ts';
import type { SimRecord } from './truth.ts';
import { FORGED_EPOCH, Violation } from './truth.ts';
import { restore } from './writes.ts';

/** More than a run ever needs. */
const MAX_RESTORES = 40;

/** Ends the process of the issuer, which loses its state in memory. */
export function stopIssuer(world: World): void {
  const { relay, random } = world;
  world.issuer.up = false;
  world.issuerBackAt = world.now() + random.below(random.chance(0.3) ? 15_000 : 1_000);
  // Records in flight may still arrive.
  if (relay?.sending != null && random.chance(0.5)) {
    const { send } = relay.sending;
    const rows = world.issuer.database.rows.filter(({ seq }) => seq > send.after).slice(0, send.limit);
    world.topic.late.push({ batch: rows.map(({ jws }) => jws), due: world.now() + random.below(10_000) });
  }
  world.relay = null;
}

export function bringIssuerBack(world: World): void {
  startIssuer(world.issuer, world);
  world.relay = startRelay(world.issuer, world);
}

/** The operator runs `restore`, because the database is not the latest. */
export function operatorRestores(world: World): void {
  world.restores += 1;
  if (world.restores > MAX_RESTORES) throw new Violation('repeated restores do not end');
  const { issuer, topic, registry } = world;
  const inTopic = topic.log.records.flatMap(({ jws }) => registry.find(jws)?.epoch ?? []);
  const shown = world.followers.flatMap(({ store }) => registry.find(store.state?.proof ?? '')?.epoch ?? []);
  // Forged epochs, whose counters no log reaches, are ignored.
  const seen = [issuer.highWater.epoch, ...inTopic, ...shown].filter((epoch) => !epoch.startsWith(FORGED_EPOCH));
  const { timeSince } = issuer.database;
  const records = topic.log.records.flatMap(({ jws }) => registry.find(jws) ?? []);
  const told = records.flatMap(timeSinceOf);
  const since = [...told, timeSince ?? ''].toSorted().at(-1) ?? '';
  // The clock continues from the latest recorded time since it was last set.
  const times = records.filter(({ epoch }) => epoch >= since && !epoch.startsWith(FORGED_EPOCH)).map(({ at }) => at);
  issuer.database.clockFloor = Math.max(issuer.database.clockFloor, ...times);
  // The new floor may have another lead than the observed one.
  issuer.lead = null;
  restore(issuer, world, seen);
  // A backup from before the clock was set has times that are ahead.
  if (told.some((epoch) => epoch > (timeSince ?? ''))) setClock(issuer, world);
  bringIssuerBack(world);
}

const timeSinceOf = (record: SimRecord) =>
  record.kind === 'heartbeat' && record.timeSince !== null ? [record.timeSince] : [];

/** The operator sets the issuer's clock to the corrected wall clock. */
export function operatorSetsClock(world: World): void {
  stopIssuer(world);
  setClock(world.issuer, world);
}
