import {
  copyFileSync,
  cpSync,
  existsSync,
  globSync,
  mkdirSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, extname, join, relative } from 'node:path';
import ts from 'typescript';
import { bundle } from './bundle.ts';
import type { Manifest } from './manifest.ts';
import { isPublic, readManifest, toBuiltManifest } from './manifest.ts';
import { buildPage } from './page/page.ts';
import { copyPages } from './pages.ts';

/** A package or a service of the workspace, by its folder below the root: `packages/guard`. */
interface Part {
  readonly folder: string;
  readonly manifest: Manifest;
}

/**
 * Compiles every package and service but the `dev-*` ones into `build/`, with the folders of the workspace: `dist/` has JavaScript and
 * type declarations where `src/` has TypeScript, and the `exports` of each package.json lead to them. Within `build/` the packages
 * find each other, so its services run as they are; a package's folder is what `npm pack` and `npm publish` take.
 * The JavaScript of each is bundled, by entry: that of a service with what it imports. The page of a service is bundled into its `dist/page`.
 * @param root the folder of the workspace, absolute
 * @returns the names of the packages and services
 * @throws Error with the compiler's diagnostics, or with the place of an import that only TypeScript could resolve
 */
export async function build(root: string): Promise<string[]> {
  const out = join(root, 'build');
  rmSync(out, { recursive: true, force: true });
  const parts = ['packages', 'services'].flatMap((kind) => partsIn(root, kind));
  const unpublished = new Set(parts.filter(({ manifest }) => !isPublic(manifest)).map(({ manifest }) => manifest.name));
  compile(root, out, parts);
  for (const part of parts) {
    copyAssets(root, out, part);
    const page = join(root, part.folder, 'page');
    if (existsSync(page)) await buildPage(page, join(out, part.folder, 'dist', 'page'));
    const manifest = toBuiltManifest(part.manifest, unpublished);
    writeFileSync(join(out, part.folder, 'package.json'), `${JSON.stringify(manifest, undefined, 2)}\n`);
    const link = join(out, 'node_modules', part.manifest.name);
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(relative(dirname(link), join(out, part.folder)), link);
  }
  for (const part of parts) await bundlePart(out, part, parts, unpublished);
  return parts.map(({ manifest }) => manifest.name);
}

/**
 * The packages that a service imports from node_modules: one with machine code, those that only some processes load, and those that find
 * files of their own. All others are bundled: to find some 400 files took half of the start of a service.
 */
const EXTERNAL_PACKAGES: ReadonlySet<string> = new Set(['better-sqlite3', 'kafkajs', 'socket.io', 'ws']);

function bundlePart(out: string, part: Part, parts: readonly Part[], unpublished: ReadonlySet<string>): Promise<void> {
  const { folder, manifest } = part;
  const dist = join(out, folder, 'dist');
  const exported = Object.values(manifest.exports ?? {}).map((source) =>
    source.replace(/^\.\/src\/(.*)\.[jt]s$/, '$1.js'),
  );
  const entries = [...exported, ...globSync('**/main.js', { cwd: dist })];
  if (folder.startsWith('services/')) {
    const beside = packagesOf(part, parts).map(({ folder: name }) => join(out, name, 'dist'));
    return bundle(dist, entries, { isInlined: (name) => !EXTERNAL_PACKAGES.has(name), beside });
  }
  return bundle(dist, entries, { isInlined: (name) => isPublic(manifest) && unpublished.has(name) });
}

/** The packages of the workspace that a part depends on, with theirs. */
function packagesOf(part: Part, parts: readonly Part[]): Part[] {
  const found = new Set<Part>();
  const add = ({ manifest }: Part): void => {
    for (const name of Object.keys(manifest.dependencies ?? {})) {
      const other = parts.find((one) => one.manifest.name === name);
      if (other === undefined || found.has(other)) continue;
      found.add(other);
      add(other);
    }
  };
  add(part);
  return [...found];
}

function partsIn(root: string, kind: string): Part[] {
  return readdirSync(join(root, kind))
    .filter((name) => !name.startsWith('dev-'))
    .map((name) => ({ folder: `${kind}/${name}`, manifest: readManifest(join(root, kind, name)) }));
}

function compile(root: string, out: string, parts: readonly Part[]): void {
  const host = { ...ts.sys, onUnRecoverableConfigFileDiagnostic: fail(root) };
  const overrides: ts.CompilerOptions = {
    noEmit: false,
    incremental: false,
    declaration: true,
    rewriteRelativeImportExtensions: true,
    rootDir: root,
    outDir: out,
  };
  const parsed = ts.getParsedCommandLineOfConfigFile(join(root, 'tsconfig.json'), overrides, host);
  if (parsed === undefined) throw new Error('tsconfig.json cannot be read');
  const { tsBuildInfoFile: _, ...options } = parsed.options;
  const sources = parts.map(({ folder }) => join(root, folder, 'src/'));
  const files = parsed.fileNames.filter((name) => sources.some((source) => name.startsWith(source)));
  const program = ts.createProgram(files, options);
  const { diagnostics } = program.emit(undefined, (name, text) => {
    const path = name.replace(/^(.*\/build\/(?:packages|services)\/[^/]+)\/src\//, '$1/dist/');
    mkdirSync(dirname(path), { recursive: true });
    if (existsSync(path)) throw new Error(`${relative(root, path)} has two sources`);
    writeFileSync(path, rewriteExtensions(text, relative(root, path)));
  });
  const found = [...ts.getPreEmitDiagnostics(program), ...diagnostics];
  if (found.length > 0) throw new Error(ts.formatDiagnostics(found, formatHost(root)));
}

/** What `rewriteRelativeImportExtensions` leaves as it is: the imports of declarations, and the files of threads. */
const LEFT = /(\bfrom |\bimport\(|^import |\bnew URL\()(['"])(\.{1,2}\/[^'"\n]+)\.ts\2/gm;

function rewriteExtensions(text: string, name: string): string {
  const rewritten = text.replace(LEFT, '$1$2$3.js$2');
  const missed = /['"]\.{1,2}\/[^'"\n]+\.ts['"]/.exec(rewritten);
  if (missed !== null) throw new Error(`${name} leads to a TypeScript file: ${missed[0]}`);
  return rewritten;
}

const CODE: ReadonlySet<string> = new Set(['.ts', '.js']);

/** The texts that code reads, the licence, and the pages of the package. */
function copyAssets(root: string, out: string, { folder, manifest }: Part): void {
  cpSync(join(root, folder, 'src'), join(out, folder, 'dist'), {
    recursive: true,
    filter: (source) => !CODE.has(extname(source)),
  });
  if (!isPublic(manifest)) return;
  copyFileSync(join(root, 'LICENSE'), join(out, folder, 'LICENSE'));
  copyPages(root, folder, join(out, folder));
}

const formatHost = (root: string): ts.FormatDiagnosticsHost => ({
  getCanonicalFileName: (name) => name,
  getCurrentDirectory: () => root,
  getNewLine: () => '\n',
});

const fail = (root: string) => (diagnostic: ts.Diagnostic) => {
  throw new Error(ts.formatDiagnostic(diagnostic, formatHost(root)));
};
