import { readdirSync } from 'node:fs';
import type { ICruiseResult, IModule } from 'dependency-cruiser';
import { cruise } from 'dependency-cruiser';
import extractTypeScriptConfig from 'dependency-cruiser/config-utl/extract-ts-config';
import { CheckFailed } from './command.ts';
import { forbidden, may, options, owners } from './import-rules.ts';

/**
 * Checks the imports between packages, and that the checker read every package with its files and resolved the imports
 * between them: a checker that resolves nothing would report nothing.
 */
export async function checkImports(): Promise<string> {
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
    ...uncheckedPackages(modules),
    ...uncheckedRules(modules),
  ];
  if (complaints.length > 0) throw new CheckFailed(complaints.join('\n'));
  return `${summary.totalCruised} files, ${summary.totalDependenciesCruised ?? 0} imports, ${forbidden.length} rules`;
}

/** `packages/…` or `services/…`. */
const workspaceOf = (path: string) => /^(?:packages|services)\/[^/]+/.exec(path)?.[0];

function unresolved({ source, dependencies }: IModule): string[] {
  return dependencies.filter((to) => to.couldNotResolve).map((to) => `unresolved: ${source} → ${to.module}`);
}

/** Packages import each other by name, through their entry points, never by path. */
function reachesInside({ source, dependencies }: IModule): string[] {
  return dependencies
    .filter(
      (to) =>
        to.module.startsWith('.') &&
        workspaceOf(to.resolved) !== undefined &&
        workspaceOf(to.resolved) !== workspaceOf(source),
    )
    .map((to) => `by-path: ${source} → ${to.module}`);
}

function uncheckedPackages(modules: readonly IModule[]): string[] {
  const seen = new Set(modules.map(({ source }) => workspaceOf(source)));
  const linked = new Set(
    modules.flatMap(({ source, dependencies }) =>
      dependencies
        .filter((to) => to.module.startsWith('@rescind/') && workspaceOf(to.resolved))
        .map(() => workspaceOf(source)),
    ),
  );
  const workspaces = ['packages', 'services'].flatMap((kind) => readdirSync(kind).map((name) => `${kind}/${name}`));
  const alone = new Set(['packages/client', 'packages/dev-page', 'packages/revocation']);
  return workspaces.flatMap((name) => [
    ...(seen.has(name) ? [] : [`not-checked: no file of ${name} was read`]),
    ...(linked.has(name) || alone.has(name) ? [] : [`not-checked: no import of ${name} reached another package`]),
  ]);
}

/** A rule about a package or a library that does not exist checks nothing. */
function uncheckedRules(modules: readonly IModule[]): string[] {
  const packages = readdirSync('packages');
  const imported = new Set(modules.flatMap(({ dependencies }) => dependencies.map((to) => to.module)));
  return [
    ...packages.filter((name) => may[name] === undefined).map((name) => `no-rule: packages/${name}`),
    ...Object.keys(may)
      .filter((name) => !packages.includes(name))
      .map((name) => `not-checked: rule of packages/${name}`),
    ...Object.keys(owners)
      .filter((name) => !imported.has(name))
      .map((name) => `not-checked: no file imports ${name}`),
  ];
}
