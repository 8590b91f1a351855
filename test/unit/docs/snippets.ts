import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { CONTEXTS, MODULES } from './snippet-contexts.ts';

const ROOT = join(import.meta.dirname, '../../..');
const PAGES = ['README.md', 'docs/**/*.md', 'packages/*/README.md', 'examples/*/README.md'];

/** A block of code on a page. */
interface Snippet {
  /** The page and the line of the block: `docs/guard.md:12`. */
  readonly place: string;
  readonly language: string;
  readonly text: string;
  /** The code that comes before the block when it is compiled. */
  readonly before: string;
}

const BLOCK = /(?:^<!-- continues: ([a-z -]+) -->\n\n?)?^```([a-z]*)\n(.*?)^```$/gms;

/**
 * The blocks of code of every page. A comment above a fragment names what it continues: `<!-- continues: above -->` the block
 * of code in TypeScript before it, with what that one continues, and any other name a context of snippet-contexts.ts.
 */
export function readSnippets(): Snippet[] {
  return globSync(PAGES, { cwd: ROOT }).sort().flatMap(snippetsOf);
}

function snippetsOf(page: string): Snippet[] {
  const markdown = readFileSync(join(ROOT, page), 'utf8');
  let above = '';
  return [...markdown.matchAll(BLOCK)].map((match) => {
    const [, continued, language = '', text = ''] = match;
    const place = `${page}:${markdown.slice(0, match.index).split('\n').length}`;
    const before = continued === undefined ? '' : continued === 'above' ? above : CONTEXTS[continued];
    if (before === undefined) throw new Error(`${place} continues ${continued}, which is no context`);
    if (isTypeScript(language)) above = `${before}${text}`;
    return { place, language, text, before };
  });
}

export const isTypeScript = (language: string): boolean => language === 'ts' || language === 'tsx';

const OPTIONS: ts.CompilerOptions = {
  target: ts.ScriptTarget.ES2024,
  lib: ['lib.es2024.d.ts', 'lib.esnext.disposable.d.ts', 'lib.dom.d.ts', 'lib.dom.iterable.d.ts'],
  module: ts.ModuleKind.NodeNext,
  moduleResolution: ts.ModuleResolutionKind.NodeNext,
  jsx: ts.JsxEmit.ReactJSX,
  jsxImportSource: 'preact',
  paths: { react: [join(ROOT, 'node_modules/preact/compat/src/index.d.ts')] },
  types: ['node'],
  noEmit: true,
  strict: true,
  noUncheckedIndexedAccess: true,
  exactOptionalPropertyTypes: true,
  noImplicitOverride: true,
  verbatimModuleSyntax: true,
  allowImportingTsExtensions: true,
  experimentalDecorators: true,
  emitDecoratorMetadata: true,
  // All libraries are compiled together, and two frameworks may declare the same name.
  skipLibCheck: true,
};

const MODULES_FILE = join(ROOT, 'test/unit/docs/snippet-modules.d.ts');

/** Compiles each block as a module of its own, strictly, against the packages of the workspace. @returns what the compiler reports, with the place on the page */
export function compile(snippets: readonly Snippet[]): string[] {
  const files = new Map(
    snippets.map((snippet, index) => [join(ROOT, 'test/unit/docs', `snippet-${index}.${snippet.language}`), snippet]),
  );
  // A file with an import or an export is a module, which may await.
  const textOf = ({ before, text }: Snippet) => `${before}${text}export {};\n`;
  const host = ts.createCompilerHost(OPTIONS);
  const { fileExists, getSourceFile } = host;
  host.getCurrentDirectory = () => ROOT;
  host.fileExists = (name) => files.has(name) || name === MODULES_FILE || fileExists(name);
  host.getSourceFile = (name, options, ...more) => {
    const snippet = files.get(name);
    if (name === MODULES_FILE) return ts.createSourceFile(name, MODULES, options, true);
    if (snippet === undefined) return getSourceFile(name, options, ...more);
    return ts.createSourceFile(name, textOf(snippet), options, true);
  };
  const program = ts.createProgram([MODULES_FILE, ...files.keys()], OPTIONS, host);
  return [...files].flatMap(([name, snippet]) => {
    const file = program.getSourceFile(name);
    return ts.getPreEmitDiagnostics(program, file).map((diagnostic) => {
      const line = file?.getLineAndCharacterOfPosition(diagnostic.start ?? 0).line ?? 0;
      const first = snippet.before.split('\n').length - 1;
      const where = line < first ? 'in what it continues' : `line ${line - first + 1}`;
      return `${snippet.place}, ${where}: ${ts.flattenDiagnosticMessageText(diagnostic.messageText, '\n')}`;
    });
  });
}
