import type { ICruiseOptions, IForbiddenRuleType } from 'dependency-cruiser';

/** Which room may import which: docs/architecture.md draws it. `npm run check` fails when a rule matched no file. */
export const may: Readonly<Record<string, readonly string[]>> = {
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
  'dev-kafka': ['revocation'],
  'dev-fleet': ['dev-kafka', 'revocation'],
};

/** The one room (or the one per side) that may know a library. */
export const owners: Readonly<Record<string, readonly string[]>> = {
  jsonwebtoken: ['token'],
  kafkajs: ['feed-kafka'],
  'better-sqlite3': ['denylist', 'issuer-sqlite'],
  testcontainers: ['dev-kafka'],
  'prom-client': ['service'],
  pino: ['service'],
  unhomoglyph: ['accounts'],
};

const rooms: IForbiddenRuleType[] = Object.entries(may).map(([room, others]) => ({
  name: `room-${room}`,
  severity: 'error',
  from: { path: `^packages/${room}/` },
  to: {
    path: '^(packages|services|test)/',
    pathNot: `^packages/(${[room, ...others].join('|')})/`,
  },
}));

const libraries: IForbiddenRuleType[] = Object.entries(owners).map(([library, rooms]) => ({
  name: `owner-of-${library}`,
  severity: 'error',
  from: { path: '^(packages|services|examples)/', pathNot: `^packages/(${rooms.join('|')})/` },
  to: { path: `node_modules/(@types/)?${library}/` },
}));

export const forbidden: IForbiddenRuleType[] = [
  ...rooms,
  ...libraries,
  {
    name: 'service-knows-packages-only',
    severity: 'error',
    from: { path: '^services/([^/]+)/' },
    to: { path: '^(services|test)/', pathNot: '^services/$1/' },
  },
  {
    name: 'example-knows-packages-only',
    severity: 'error',
    from: { path: '^examples/([^/]+)/' },
    to: { path: '^(services|examples|test)/|^packages/dev-', pathNot: '^examples/$1/' },
  },
  {
    name: 'inside-does-not-import-the-door',
    severity: 'error',
    from: { path: '^packages/([^/]+)/src/' },
    to: { path: '^packages/$1/src/index\\.ts$' },
  },
  {
    name: 'no-cycles',
    severity: 'error',
    from: { path: '^(packages|services|examples|test)/' },
    to: { circular: true },
  },
  {
    name: 'production-needs-no-dev-package',
    severity: 'error',
    from: { path: '^(packages|services)/', pathNot: '^packages/dev-' },
    to: { path: '^packages/dev-' },
  },
];

export const options: ICruiseOptions = {
  tsPreCompilationDeps: true,
  tsConfig: { fileName: 'tsconfig.json' },
  doNotFollow: { path: 'node_modules' },
  enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default'] },
};
