// A composable of Vue, and a component that uses it.
import type { Session, SessionSnapshot } from '@rescind/client';
import type { PropType, ShallowRef } from 'vue';
import { defineComponent, h, onScopeDispose, shallowRef } from 'vue';

export function useSession(session: Session): Readonly<ShallowRef<SessionSnapshot>> {
  const snapshot = shallowRef(session.getSnapshot());
  const stop = session.subscribe(() => {
    snapshot.value = session.getSnapshot();
  });
  onScopeDispose(stop);
  return snapshot;
}

export const Greeting = defineComponent({
  props: { session: { type: Object as PropType<Session>, required: true } },
  setup({ session }) {
    const snapshot = useSession(session);
    return () => {
      const { status, claims, endedBy } = snapshot.value;
      if (status === 'loading') return h('p', 'One moment …');
      if (status === 'waiting') return h('p', 'Connecting …');
      if (status !== 'active') return h('p', `Log in${endedBy ? ` (${endedBy})` : ''}`);
      return h('p', `Hello ${claims.sub}, ${claims.role}`);
    };
  },
});
