import { globSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Application } from 'typedoc';

interface Manifest {
  readonly name: string;
  readonly rescind?: { readonly public?: boolean };
  readonly exports?: Readonly<Record<string, string>>;
}

/** An entry point of a public package: what others import, such as `@rescind/guard/express`. */
interface Entry {
  readonly name: string;
  readonly file: string;
}

function entriesOf(root: string): Entry[] {
  const manifests = globSync('packages/*/package.json', { cwd: root }).sort();
  return manifests.flatMap((path) => {
    const { name, rescind, exports = {} } = JSON.parse(readFileSync(join(root, path), 'utf8')) as Manifest;
    if (rescind?.public !== true) return [];
    return Object.entries(exports).map(([subpath, file]) => ({
      name: `${name}${subpath.slice(1)}`,
      file: join(dirname(path), file),
    }));
  });
}

/** The name that TypeDoc gives the module of a file: relative to the folder of all packages, without `index` and extension. */
const moduleOf = (file: string) => file.replace(/^packages\//, '').replace(/(\/index)?\.[jt]s$/, '');

/**
 * Writes the API reference from the doc comments: a page for each entry point of a public package.
 * @returns the number of entry points
 * @throws Error when TypeDoc reports an error, or names a module otherwise than expected
 */
export async function writeReference(root: string, out: string): Promise<number> {
  const entries = entriesOf(root);
  rmSync(out, { recursive: true, force: true });
  const app = await Application.bootstrapWithPlugins({
    entryPoints: entries.map(({ file }) => join(root, file)),
    tsconfig: join(root, 'tsconfig.json'),
    plugin: ['typedoc-plugin-markdown'],
    name: 'API reference',
    readme: 'none',
    // `npm run check` compiles; here the types are read only.
    skipErrorChecking: true,
    excludeInternal: true,
    disableSources: true,
    hideBreadcrumbs: true,
    hidePageHeader: true,
    router: 'module',
    entryFileName: 'index',
    useCodeBlocks: true,
    useHTMLAnchors: true,
    expandObjects: true,
    expandParameters: true,
    parametersFormat: 'table',
    interfacePropertiesFormat: 'table',
    typeAliasPropertiesFormat: 'table',
    typeDeclarationFormat: 'table',
    propertyMembersFormat: 'table',
    enumMembersFormat: 'table',
    classPropertiesFormat: 'table',
    tableColumnSettings: { hideSources: true, hideInherited: true, hideOverrides: true, hideModifiers: true },
    groupOrder: ['Functions', 'Variables', 'Classes', 'Interfaces', 'Type Aliases'],
    logLevel: 'Warn',
  } as object);
  const project = await app.convert();
  if (project === undefined) throw new Error('TypeDoc could not read the packages');
  const names = new Map(entries.map(({ name, file }) => [moduleOf(file), name]));
  for (const module of project.children ?? []) {
    const name = names.get(module.name);
    if (name === undefined) throw new Error(`TypeDoc names a module that is no entry point: ${module.name}`);
    module.name = name;
  }
  if (project.children?.length !== entries.length) throw new Error('TypeDoc left out an entry point');
  app.options.setValue('out' as never, out as never);
  await app.generateOutputs(project);
  if (app.logger.hasErrors()) throw new Error('TypeDoc reported errors');
  return entries.length;
}
