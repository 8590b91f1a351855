import type { CutOff, IssuerClock } from '@rescind/revocation';
import { aliveAt, isLeading, NEVER } from '@rescind/revocation';
import { cutoffRequests, previewRequest, subjects } from '../call-options.ts';
import type { Issuer } from '../issuer.ts';
import type { Preview } from '../issuer-revocations.ts';
import type { SessionRoom } from '../session/room.ts';
import type { AffectedContext } from './affected.ts';
import { affectedAmong, countSessions } from './affected.ts';
import { createPlanRoom, planCutoffs, planRevocation } from './plan.ts';

const NOTHING: Preview = {
  ...{ sessions: 0, sids: [], subjects: 0, affectedSessions: 0, affectedSubjects: 0, tokensUntil: 0 },
};

type PreviewContext = Pick<SessionRoom, 'store' | 'policy' | 'subject' | 'clients'>;

/** A dry run: the plan is that of the act, and the sessions that it ends are counted. */
export function createPreview(
  context: PreviewContext,
  clock: Pick<IssuerClock, 'now' | 'wall' | 'leadMs'>,
): Pick<Issuer, 'preview' | 'affectedSubjects'> {
  const { now } = clock;
  const unit = { now, cutOffTime: now, leads: () => isLeading(clock), aliveAt: () => aliveAt(clock) };
  const { subject, clients, store } = context;

  async function begin(): Promise<AffectedContext> {
    return {
      ...(await createPlanRoom(context, store.read, unit)),
      subject: (sub) => subject(store.read, sub),
      client: (clientId) => clients.find(store.read.clients, clientId),
    };
  }
  /** Tokens of other issuers are not known here. */
  const isOwn = ({ iss }: CutOff) => iss === context.policy.issuer;

  return {
    async preview(what) {
      const room = await begin();
      const plan = await planRevocation(room, previewRequest(what));
      if (plan === undefined) return NOTHING;
      const affected = await countSessions(room, plan.cutOffs.filter(isOwn));
      const expiresAt = Math.max(...plan.cutOffs.map((cutOff) => cutOff.expiresAt));
      return {
        ...(await countSessions(room, plan.endings)),
        affectedSessions: affected.sessions,
        affectedSubjects: affected.subjects,
        tokensUntil: expiresAt === NEVER ? null : expiresAt,
      };
    },
    async affectedSubjects(cutoffs, subs) {
      const room = await begin();
      const { cutOffs } = await planCutoffs(room, cutoffRequests(cutoffs));
      return affectedAmong(room, cutOffs.filter(isOwn), subjects(subs));
    },
  };
}
