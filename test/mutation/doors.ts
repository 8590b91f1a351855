import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** The tree that this file is in: the one with the mutants. */
export const root = fileURLToPath(new URL('../../', import.meta.url));

interface Manifest {
  readonly name: string;
  readonly exports?: Readonly<Record<string, string>>;
}

/** Where each door of each package lies in this tree: node_modules links to the tree that was copied, which has no mutants. */
export function doors() {
  return readdirSync(`${root}packages`).flatMap((name) => {
    const manifest = JSON.parse(readFileSync(`${root}packages/${name}/package.json`, 'utf8')) as Manifest;
    return Object.entries(manifest.exports ?? {})
      .filter(([, file]) => typeof file === 'string')
      .map(([door, file]) => ({
        find: new RegExp(`^${manifest.name}${door.slice(1)}$`),
        replacement: `${root}packages/${name}/${file.slice(2)}`,
      }));
  });
}
