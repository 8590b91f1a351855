import { once } from 'node:events';
import { parseArgs, styleText } from 'node:util';
import type { Broker } from '@rescind/dev-kafka';
import { openBroker } from '@rescind/dev-kafka';
import type { Fleet } from '../fleet.ts';
import { openFleet, protectedUrl } from '../fleet.ts';
import { median, round } from './measure.ts';
import { createNarrator } from './narrator.ts';
import { runStory } from './story.ts';

const USAGE = `usage: npm run demo [-- --kafka] [--once] [--json]
  --kafka  through a real Kafka (KAFKA_BROKERS, else Docker, else Java with Maven); default: embedded, no Kafka
  --once   ends after the story; exit status 0 only if every step succeeded
  --json   prints one JSON object on standard output, and ends (npm run --silent demo -- --json)`;

function readArguments(): { kafka: boolean; once: boolean; json: boolean } {
  try {
    const flag = { type: 'boolean', default: false } as const;
    return parseArgs({ options: { kafka: flag, once: flag, json: flag }, allowPositionals: false }).values;
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}\n${USAGE}`);
    process.exit(2);
  }
}

const options = readArguments();
const startedAt = performance.now();
const narrator = createNarrator(options.json ? undefined : (line) => console.log(line), startedAt);
const samples: number[] = [];

const interrupted = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => interrupted.abort());

let broker: Broker | undefined;
let fleet: Fleet | undefined;
try {
  if (!options.json)
    console.log(`${styleText('bold', 'Rescind')}: a token is refused everywhere, milliseconds after its logout`);
  if (options.kafka) {
    broker = await openBroker({ log: (line) => narrator.note(line) });
    narrator.note(`Kafka runs (${broker.kind}) at ${broker.brokers.join(', ')}`);
  }
  fleet = await openFleet({ brokers: broker?.brokers, web: !options.json, console: !options.json, game: 2 });
  narrator.note(
    `user-management and ${fleet.instances.length} instances are ready: ${fleet.instances.map(({ name }) => name).join(', ')}`,
  );
  await runStory({ fleet, broker, narrator, samples });

  const ok = narrator.steps.length > 0 && narrator.steps.every((step) => step.ok);
  const revokedToDenied = {
    p50Ms: round(median(samples)),
    maxMs: round(Math.max(...samples)),
    samples: samples.length,
  };
  if (options.json) {
    const log = options.kafka ? 'kafka' : 'embedded';
    const { steps } = narrator;
    console.log(
      JSON.stringify({ log, broker: broker?.kind ?? null, instances: fleet.instances.length, steps, revokedToDenied }),
    );
  } else {
    narrator.chapter('From the answer to logout until an instance refuses');
    narrator.note(
      `median ${revokedToDenied.p50Ms} ms, worst ${revokedToDenied.maxMs} ms, of ${revokedToDenied.samples} measured`,
    );
  }
  process.exitCode = ok ? 0 : 1;
  if (!options.once && !options.json && !interrupted.signal.aborted) await keepRunning(fleet);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
} finally {
  await fleet?.close();
  await broker?.close();
}

async function keepRunning(running: Fleet): Promise<void> {
  const { issuer, instances } = running;
  const [first] = instances;
  const url = first === undefined ? '' : protectedUrl(first);
  const json = `-H 'content-type: application/json'`;
  console.log(`
${styleText('bold', 'The fleet keeps running. Try it:')}

  the console      ${running.console?.url}   log in as ${running.consoleUser?.username} with the password ${running.consoleUser?.password}
  the page         ${running.web?.url}   in a browser: register, log in, see your devices
  the game         ${running.gameUrl}/game/game.js   for a page: docs/sockets.md; instances ${running.games.map(({ url }) => url).join(', ')}
  user-management  ${issuer.url}   its administration: ${running.adminUrl}
${instances.map((instance) => `  ${instance.name.padEnd(15)}  ${protectedUrl(instance)}   health: ${instance.managementUrl}/readyz`).join('\n')}

  curl -s ${json} -d '{"username":"ada","password":"correct horse battery"}' ${issuer.url}/register
  TOKEN=$(curl -s ${json} -d '{"username":"ada","password":"correct horse battery"}' ${issuer.url}/login | sed 's/.*"access_token":"\\([^"]*\\)".*/\\1/')
  curl -i -H "Authorization: Bearer $TOKEN" ${url}
  curl -i -X POST -H "Authorization: Bearer $TOKEN" ${issuer.url}/logout
  curl -i -H "Authorization: Bearer $TOKEN" ${url}

  OPERATOR=$(sed 's/{"\\([^"]*\\)":{"secret":"\\([^"]*\\)".*/\\1:\\2/' ${running.operatorsFile})
  curl -s -w '\\n' -u "$OPERATOR" "${running.adminUrl}/admin/revocations?limit=2"
  curl -s -w '\\n' -u "$OPERATOR" ${json} -d '{"cutoffs":[{"claim":"iss"}]}' ${running.adminUrl}/admin/revocations/preview
  curl -s -w '\\n' -u "$OPERATOR" ${json} -d '{"confirm":"everybody","why":"a test"}' ${running.adminUrl}/admin/emergency

  export RESCIND_SERVER=${running.adminUrl} RESCIND_OPERATOR="\${OPERATOR%%:*}" RESCIND_OPERATOR_SECRET="\${OPERATOR#*:}"
  export RESCIND_MANAGEMENT=${[issuer, ...instances].map(({ managementUrl }) => managementUrl).join(',')}
  export RESCIND_ISSUER=${issuer.url} RESCIND_FEED_CLIENT_ID=prices RESCIND_FEED_CLIENT_SECRET_FILE=${running.directory}/prices/feed-client-secret
  npx rescind instances; npx rescind doctor    # docs/cli.md

  A service of your own (docs/getting-started.md) reads the log of the issuer ${issuer.url} as prices:
  export FEED_CLIENT_SECRET=$(cat ${running.directory}/prices/feed-client-secret)

Ctrl-C ends it.`);
  if (!interrupted.signal.aborted) await once(interrupted.signal, 'abort');
}
