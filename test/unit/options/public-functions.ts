import { globSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import ts from 'typescript';

/** Functions that the entry points of the packages export, and that take an object with named members. */
export interface TakesObject {
  /** As the caller writes it: `createGuard`, `setting.port`. */
  readonly name: string;
  readonly parameter: string;
}

/** The entry points of the packages, as `exports` of each package.json names them, and the compiler's view of them. */
function readEntryPoints() {
  const entries = globSync('packages/*/package.json').flatMap((manifest) => {
    const { exports = {} } = JSON.parse(readFileSync(manifest, 'utf8')) as { exports?: Record<string, string> };
    return Object.values(exports).map((file) => join(dirname(manifest), file));
  });
  const { config } = ts.readConfigFile('tsconfig.json', ts.sys.readFile);
  const { options } = ts.parseJsonConfigFileContent({ ...config, files: [], include: [] }, ts.sys, '.');
  const program = ts.createProgram(
    entries.filter((entry) => entry.endsWith('.ts')),
    { ...options, noEmit: true },
  );
  const checker = program.getTypeChecker();
  const modules = entries.flatMap((entry) => {
    const source = program.getSourceFile(entry);
    const module = source && checker.getSymbolAtLocation(source);
    return source === undefined || module === undefined
      ? []
      : { entry, source, exports: checker.getExportsOfModule(module) };
  });
  return { checker, modules };
}

/** A name that a public package exports, or a member of an exported `…Options`. */
export interface Documented {
  /** Such as `GuardOptions.issuer`. */
  readonly name: string;
  /** The file that declares it. */
  readonly file: string;
  /** The doc comment, empty if there is none. */
  readonly comment: string;
  readonly isOption: boolean;
  readonly isOptional: boolean;
  /** Whether its type has undefined, beside its absence (`exactOptionalPropertyTypes`). */
  readonly acceptsUndefined: boolean;
  /** Whether it is a number, or may be one. */
  readonly isNumber: boolean;
}

/** The names that the public packages export, and the members of their options, with the doc comment of each. */
export function documentedNames(): Documented[] {
  const { checker, modules } = readEntryPoints();
  const isPublic = (entry: string) => {
    const [folder = ''] = /^packages\/[^/]+/.exec(entry) ?? [];
    const { rescind } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as {
      rescind?: { public?: boolean };
    };
    return rescind?.public === true;
  };
  const ours = (symbol: ts.Symbol) => {
    const file = symbol.declarations?.[0]?.getSourceFile().fileName ?? '';
    return /(^|\/)packages\/[^/]+\/src\//.exec(file) === null ? [] : [relative('.', file)];
  };
  const commentOf = (symbol: ts.Symbol) =>
    `${ts.displayPartsToString(symbol.getDocumentationComment(checker))}${symbol
      .getJsDocTags(checker)
      .map(({ name, text }) => ` @${name} ${ts.displayPartsToString(text)}`)
      .join('')}`;

  const found = modules
    .filter(({ entry }) => isPublic(entry))
    .flatMap(({ source, exports }) =>
      exports.flatMap((exported) => {
        const symbol = (exported.flags & ts.SymbolFlags.Alias) === 0 ? exported : checker.getAliasedSymbol(exported);
        const members = /Options$/.test(symbol.name) ? checker.getDeclaredTypeOfSymbol(symbol).getProperties() : [];
        return [symbol, ...members].flatMap((one) =>
          ours(one).map((file) => {
            const isOption = one !== symbol;
            const type = checker.getTypeOfSymbolAtLocation(one, source);
            return {
              name: isOption ? `${symbol.name}.${one.name}` : one.name,
              file,
              comment: commentOf(one),
              isOption,
              isOptional: (one.flags & ts.SymbolFlags.Optional) !== 0,
              acceptsUndefined: checker.isTypeAssignableTo(checker.getUndefinedType(), type),
              isNumber: (type.isUnion() ? type.types : [type]).some(({ flags }) => (flags & ts.TypeFlags.Number) !== 0),
            };
          }),
        );
      }),
    );
  return found.filter((one, at) => at === found.findIndex(({ name, file }) => name === one.name && file === one.file));
}

/** How many names each entry point exports, types included. */
export function countExports(): { readonly entry: string; readonly names: number }[] {
  return readEntryPoints().modules.map(({ entry, exports }) => ({ entry, names: exports.length }));
}

/** By the compiler: lists, functions, classes, and types of other libraries are no such objects. */
export function functionsThatTakeObjects(): TakesObject[] {
  const { checker, modules } = readEntryPoints();
  const isOurs = (node: ts.Node): boolean => /(^|\/)packages\/[^/]+\/src\//.test(node.getSourceFile().fileName);

  function isObject(type: ts.Type): boolean {
    if (type.isUnion()) return type.types.some(isObject);
    if (type.isIntersection()) {
      const areObjects = type.types.every(({ flags }) => (flags & ts.TypeFlags.Object) !== 0);
      return type.types.every(isObject) || (areObjects && type.aliasSymbol?.getDeclarations()?.some(isOurs) === true);
    }
    if ((type.flags & ts.TypeFlags.TypeParameter) !== 0) {
      const constraint = type.getConstraint();
      return constraint !== undefined && isObject(constraint);
    }
    const { symbol, aliasSymbol } = type;
    if ((type.flags & ts.TypeFlags.Object) === 0 || type.getCallSignatures().length > 0) return false;
    if (checker.isArrayType(type) || checker.isTupleType(type) || type.getProperties().length === 0) return false;
    return (aliasSymbol ?? symbol).getDeclarations()?.some(isOurs) === true;
  }

  function taking(name: string, type: ts.Type, at: ts.Node): TakesObject[] {
    const parameters = type.getCallSignatures().flatMap(({ parameters: all }) => all);
    return parameters
      .filter((parameter) => isObject(checker.getTypeOfSymbolAtLocation(parameter, at)))
      .map((parameter) => ({ name, parameter: parameter.name }));
  }

  const found = modules.flatMap(({ source, exports }) =>
    exports.flatMap((exported) => {
      const symbol = (exported.flags & ts.SymbolFlags.Alias) === 0 ? exported : checker.getAliasedSymbol(exported);
      if ((symbol.flags & ts.SymbolFlags.Value) === 0 || (symbol.flags & ts.SymbolFlags.Class) !== 0) return [];
      const type = checker.getTypeOfSymbolAtLocation(symbol, source);
      const isRecord = symbol.valueDeclaration !== undefined && ts.isVariableDeclaration(symbol.valueDeclaration);
      const members = isRecord ? type.getProperties() : [];
      return [
        ...taking(exported.name, type, source),
        ...members.flatMap((member) =>
          taking(`${exported.name}.${member.name}`, checker.getTypeOfSymbolAtLocation(member, source), source),
        ),
      ];
    }),
  );
  return found.filter(
    ({ name, parameter }, at) => at === found.findIndex((one) => one.name === name && one.parameter === parameter),
  );
}
