import type { Case } from '../case.ts';

interface Listed {
  readonly id: string;
  /** Loads the case when it is run, so that a case which cannot be loaded does not prevent the others. */
  load(): Promise<Case>;
}

/** In the order of the table in docs/performance.md. A new case is a file here and a line in this list. */
export const cases: readonly Listed[] = [
  { id: 'P1', load: async () => (await import('./p1-seen.ts')).p1 },
  { id: 'P2', load: async () => (await import('./p2-never-seen.ts')).p2 },
  { id: 'P3', load: async () => (await import('./p3-express.ts')).p3 },
  { id: 'P4', load: async () => (await import('./p9-fleet.ts')).p4 },
  { id: 'P5', load: async () => (await import('./p5-catch-up.ts')).p5 },
  { id: 'P5-storage', load: async () => (await import('./p5-storage.ts')).p5Storage },
  { id: 'P6', load: async () => (await import('./p6-size.ts')).p6 },
  { id: 'P7', load: async () => (await import('./p7-ten-million.ts')).p7 },
  { id: 'P8', load: async () => (await import('./p8-refresh.ts')).p8 },
  { id: 'P9', load: async () => (await import('./p9-fleet.ts')).p9 },
  { id: 'P9-1000', load: async () => (await import('./p9-fleet.ts')).p9Thousand },
  { id: 'P9-25', load: async () => (await import('./p9-fleet.ts')).p9Profile },
  { id: 'P10', load: async () => (await import('./p10-leader.ts')).p10 },
  { id: 'P10-late', load: async () => (await import('./p10-leader.ts')).p10Late },
  { id: 'P13', load: async () => (await import('./p13-lean.ts')).p13 },
  { id: 'P14', load: async () => (await import('./p14-live-tokens.ts')).p14 },
  { id: 'P14-sockets', load: async () => (await import('./p14-sockets.ts')).p14Sockets },
  { id: 'receipts', load: async () => (await import('./receipts.ts')).receipts },
  { id: 'adapters', load: async () => (await import('./adapters.ts')).adapters },
  { id: 'gate', load: async () => (await import('./gate.ts')).gate },
  { id: 'standby', load: async () => (await import('./standby.ts')).standby },
  { id: 'lookup', load: async () => (await import('./lookup.ts')).lookup },
  { id: 'judge', load: async () => (await import('./judge.ts')).judging },
];
