import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** What of a package.json is read or written here. */
export interface Manifest {
  readonly name: string;
  readonly exports?: Readonly<Record<string, string>>;
  readonly bin?: Readonly<Record<string, string>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  /** Whether the package is for others to install. npm takes no notice of it. */
  readonly rescind?: { readonly public: boolean };
  readonly [member: string]: unknown;
}

export function readManifest(folder: string): Manifest {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest;
}

export const isPublic = (manifest: Manifest): boolean => manifest.rescind?.public === true;

/**
 * A package.json of the workspace leads to TypeScript and is private, so that no `npm publish` takes it by accident; the one that is
 * built leads to what was compiled.
 * @param inlined packages of the workspace that are not published: a public package has their code in its own files
 */
export function toBuiltManifest(manifest: Manifest, inlined: ReadonlySet<string> = new Set()): Record<string, unknown> {
  const { exports = {}, bin, dependencies = {}, devDependencies: _, rescind: __, private: ___, ...kept } = manifest;
  const installed = Object.entries(dependencies).filter(([name]) => !(isPublic(manifest) && inlined.has(name)));
  return {
    ...kept,
    ...(bin === undefined
      ? {}
      : { bin: Object.fromEntries(Object.entries(bin).map(([name, source]) => [name, toScript(source)])) }),
    dependencies: Object.fromEntries(installed),
    ...(isPublic(manifest)
      ? { files: ['dist', 'docs', 'CHANGELOG.md'], publishConfig: { access: 'public' } }
      : { private: true }),
    exports: {
      ...Object.fromEntries(Object.entries(exports).map(([path, source]) => [path, toCompiled(source)])),
      './package.json': './package.json',
    },
  };
}

const toScript = (source: string): string => `${stemOf(source)}.js`;

const stemOf = (source: string): string => source.replace(/^\.\/src\//, './dist/').replace(/\.[jt]s$/, '');

function toCompiled(source: string): { readonly types: string; readonly default: string } {
  const stem = stemOf(source);
  return { types: `${stem}.d.ts`, default: `${stem}.js` };
}
