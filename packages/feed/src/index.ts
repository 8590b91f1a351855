export type {
  DocumentStore,
  Feed,
  FeedStore,
  LogSource,
  Publisher,
  Way,
  WayConnection,
  WayRecord,
  WaySink,
  WayStart,
} from './ports.ts';
