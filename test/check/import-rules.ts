import type { ICruiseOptions, IForbiddenRuleType } from 'dependency-cruiser';

/** The packages that each package may import; docs/architecture.md draws them. `npm run check` fails when a rule matches no file. */
export const may: Readonly<Record<string, readonly string[]>> = {
  client: [],
  revocation: [],
  token: ['revocation'],
  denylist: ['revocation'],
  feed: ['token', 'revocation'],
  'feed-kafka': ['feed', 'revocation'],
  issuer: ['feed', 'token', 'revocation'],
  'issuer-sqlite': ['issuer', 'revocation'],
  accounts: ['issuer', 'issuer-sqlite', 'revocation'],
  guard: ['feed', 'denylist', 'token', 'revocation'],
  service: ['revocation'],
  cli: ['feed', 'feed-kafka', 'issuer-sqlite', 'token', 'service', 'revocation'],
  'dev-build': ['revocation'],
  'dev-page': [],
  'dev-site': ['revocation'],
  'dev-kafka': ['revocation'],
  'dev-fleet': ['dev-build', 'dev-kafka', 'revocation'],
};

/** The packages that may import a library: one, or one per side. */
export const owners: Readonly<Record<string, readonly string[]>> = {
  jsonwebtoken: ['token'],
  kafkajs: ['feed-kafka'],
  'better-sqlite3': ['denylist', 'issuer-sqlite'],
  testcontainers: ['dev-kafka'],
  'prom-client': ['service'],
  pino: ['service'],
  unhomoglyph: ['accounts'],
  commander: ['cli'],
};

const packages: IForbiddenRuleType[] = Object.entries(may).map(([name, others]) => ({
  name: `imports-of-${name}`,
  severity: 'error',
  from: { path: `^packages/${name}/` },
  to: {
    path: '^(packages|services|test)/',
    pathNot: `^packages/(${[name, ...others].join('|')})/`,
  },
}));

const libraries: IForbiddenRuleType[] = Object.entries(owners).map(([library, names]) => ({
  name: `owner-of-${library}`,
  severity: 'error',
  // The services of examples/moving-over are those of other teams, before they use this project.
  from: {
    path: '^(packages|services|examples)/',
    pathNot: `^(packages/(${names.join('|')})|examples/moving-over)/`,
  },
  to: { path: `node_modules/(@types/)?${library}/` },
}));

export const forbidden: IForbiddenRuleType[] = [
  ...packages,
  ...libraries,
  {
    name: 'services-import-packages-only',
    severity: 'error',
    from: { path: '^services/([^/]+)/' },
    to: { path: '^(services|test)/', pathNot: '^services/$1/' },
  },
  {
    name: 'examples-import-packages-only',
    severity: 'error',
    from: { path: '^examples/([^/]+)/' },
    to: { path: '^(services|examples|test)/|^packages/dev-', pathNot: '^examples/$1/' },
  },
  {
    name: 'no-import-of-own-entry-point',
    severity: 'error',
    from: { path: '^packages/([^/]+)/src/' },
    to: {
      path: [
        '^packages/$1/src/index\\.ts$',
        '^packages/$1/src/[^/]+/index\\.ts$',
        '^packages/$1/src/[^/]+/[^/]+/index\\.ts$',
      ],
    },
  },
  {
    name: 'no-cycles',
    severity: 'error',
    from: { path: '^(packages|services|examples|test)/' },
    to: { circular: true },
  },
  {
    name: 'no-dev-package-in-production',
    severity: 'error',
    // A page is bundled: nothing that it imports is installed.
    from: { path: '^(packages|services)/', pathNot: '^packages/dev-|^services/[^/]+/page/' },
    to: { path: '^packages/dev-' },
  },
];

export const options: ICruiseOptions = {
  tsPreCompilationDeps: true,
  tsConfig: { fileName: 'tsconfig.json' },
  doNotFollow: { path: 'node_modules' },
  // What the documentation site is built into.
  exclude: { path: '^packages/dev-site/build/' },
  enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default'] },
};
