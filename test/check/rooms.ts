import { readdirSync } from 'node:fs';
import type { ICruiseResult, IModule } from 'dependency-cruiser';
import { cruise } from 'dependency-cruiser';
import extractTypeScriptConfig from 'dependency-cruiser/config-utl/extract-ts-config';
import { CheckFailed } from './command.ts';
import { forbidden, may, options, owners } from './room-rules.ts';

/**
 * Checks who imports whom, and that the checker saw what it was to check: each room with its files, and the imports
 * between rooms resolved to files. A checker that resolves nothing finds nothing wrong.
 */
export async function checkRooms(): Promise<string> {
  const result = await cruise(
    ['packages', 'services', 'examples', 'test'],
    { ...options, ruleSet: { forbidden }, validate: true, outputType: 'json' },
    undefined,
    { tsConfig: extractTypeScriptConfig('tsconfig.json') },
  );
  const { modules, summary } = JSON.parse(String(result.output)) as ICruiseResult;

  const complaints = [
    ...summary.violations.map(({ rule, from, to }) => `${rule.name}: ${from} → ${to}`),
    ...modules.flatMap(unresolved),
    ...modules.flatMap(reachesInside),
    ...roomsWithout(modules),
    ...rulesWithout(modules),
  ];
  if (complaints.length > 0) throw new CheckFailed(complaints.join('\n'));
  return `${summary.totalCruised} files, ${summary.totalDependenciesCruised ?? 0} imports, ${forbidden.length} rules`;
}

const room = (path: string) => /^(?:packages|services)\/[^/]+/.exec(path)?.[0];

function unresolved({ source, dependencies }: IModule): string[] {
  return dependencies.filter((to) => to.couldNotResolve).map((to) => `unresolved: ${source} → ${to.module}`);
}

/** Another package is imported by its name, through its door; never by a path. */
function reachesInside({ source, dependencies }: IModule): string[] {
  return dependencies
    .filter((to) => to.module.startsWith('.') && room(to.resolved) !== undefined && room(to.resolved) !== room(source))
    .map((to) => `past-the-door: ${source} → ${to.module}`);
}

function roomsWithout(modules: readonly IModule[]): string[] {
  const seen = new Set(modules.map(({ source }) => room(source)));
  const linked = new Set(
    modules.flatMap(({ source, dependencies }) =>
      dependencies.filter((to) => to.module.startsWith('@rescind/') && room(to.resolved)).map(() => room(source)),
    ),
  );
  const rooms = ['packages', 'services'].flatMap((kind) => readdirSync(kind).map((name) => `${kind}/${name}`));
  const alone = new Set(['packages/revocation']);
  return rooms.flatMap((name) => [
    ...(seen.has(name) ? [] : [`not-checked: no file of ${name} was read`]),
    ...(linked.has(name) || alone.has(name) ? [] : [`not-checked: no import of ${name} reached another room`]),
  ]);
}

/** A rule about a room or a library that is not there (any more) checks nothing. */
function rulesWithout(modules: readonly IModule[]): string[] {
  const packages = readdirSync('packages');
  const imported = new Set(modules.flatMap(({ dependencies }) => dependencies.map((to) => to.module)));
  return [
    ...packages.filter((name) => may[name] === undefined).map((name) => `no-rule: packages/${name}`),
    ...Object.keys(may)
      .filter((name) => !packages.includes(name))
      .map((name) => `not-checked: rule of packages/${name}`),
    ...Object.keys(owners)
      .filter((name) => !imported.has(name))
      .map((name) => `not-checked: nobody imports ${name}`),
  ];
}
