import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** The root of the tree that contains this file: the copy with the mutants. */
export const root = fileURLToPath(new URL('../../', import.meta.url));

interface Manifest {
  readonly name: string;
  readonly exports?: Readonly<Record<string, string>>;
}

/** Aliases from each entry point of each package to its file in this tree: node_modules links to the original, which has no mutants. */
export function entryPoints() {
  return readdirSync(`${root}packages`).flatMap((name) => {
    const manifest = JSON.parse(readFileSync(`${root}packages/${name}/package.json`, 'utf8')) as Manifest;
    return Object.entries(manifest.exports ?? {})
      .filter(([, file]) => typeof file === 'string')
      .map(([entryPoint, file]) => ({
        find: new RegExp(`^${manifest.name}${entryPoint.slice(1)}$`),
        replacement: `${root}packages/${name}/${file.slice(2)}`,
      }));
  });
}
