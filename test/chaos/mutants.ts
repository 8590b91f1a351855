import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Invariant } from './judge.ts';

/** A copy of the product with one mistake, which the driver must notice by this invariant. */
export interface Mutant {
  readonly invariant: Invariant;
  readonly mistake: string;
  /** The file, from the root of the repository. */
  readonly file: string;
  /** A text that the file has once. */
  readonly from: string;
  readonly to: string;
}

export const MUTANTS: Readonly<Record<string, Mutant>> = {};

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** A copy of packages and services; the installed packages of others are those of this tree. */
export interface MutatedTree {
  /** Its directory `services`. */
  readonly services: string;
  close(): void;
}

export function openMutatedTree({ file, from, to }: Mutant): MutatedTree {
  const directory = mkdtempSync(join(tmpdir(), 'rescind-mutant-'));
  const close = () => rmSync(directory, { recursive: true, force: true });
  try {
    cpSync(join(ROOT, 'package.json'), join(directory, 'package.json'));
    for (const folder of ['packages', 'services']) {
      cpSync(join(ROOT, folder), join(directory, folder), { recursive: true, verbatimSymlinks: true });
    }
    linkModules(directory);
    const path = join(directory, file);
    const text = readFileSync(path, 'utf8');
    if (text.split(from).length !== 2) throw new Error(`${file} must have the text once: ${from}`);
    writeFileSync(
      path,
      text.replace(from, () => to),
    );
    return { services: join(directory, 'services'), close };
  } catch (error) {
    close();
    throw error;
  }
}

/** Links each installed package; those of this repository to the copy. */
function linkModules(directory: string): void {
  const modules = join(directory, 'node_modules');
  mkdirSync(join(modules, '@rescind'), { recursive: true });
  for (const name of readdirSync(join(ROOT, 'node_modules'))) {
    if (name !== '@rescind' && name !== '.cache') symlinkSync(join(ROOT, 'node_modules', name), join(modules, name));
  }
  for (const folder of ['packages', 'services']) {
    for (const name of readdirSync(join(directory, folder))) {
      symlinkSync(join(directory, folder, name), join(modules, '@rescind', name));
    }
  }
}
