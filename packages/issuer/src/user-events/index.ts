export type {
  IssuerUserEvents,
  RecordedUserEvent,
  RefusedUserEvent,
  UserEvent,
  UserEventPage,
  UserEventQuery,
} from '../issuer-user-events.ts';
export type { UserEventType } from '../store/user-events.ts';
export { USER_EVENT_TYPES } from '../store/user-events.ts';
