import { Field, Link, Notice } from '@rescind/dev-page';
import type { ComponentChildren } from 'preact';
import { useEffect, useId, useRef, useState } from 'preact/hooks';
import type { Receipt } from '../src/frames.ts';
import type { Preview } from './api.ts';
import { call, isRefusal, Refusal } from './api.ts';
import { may, useLive } from './live.ts';
import { requestStepUp } from './login.tsx';
import { useWork } from './parts.tsx';
import { sentenceOfReceipt } from './receipt-text.ts';
import { countText } from './text.ts';

/** A command that an operator may begin. */
export interface Act {
  /** The id of the operation: it is offered if the scopes permit it. */
  readonly operation: string;
  /** On the button. */
  readonly label: string;
  /** As the title of the dialog: `End the session of ada?` */
  readonly title: string;
  readonly path: string;
  /** Members of the body beside `why` and `reason`. */
  readonly body?: object;
  /** Default of the reason, a word that goes into the event; undefined: the command has none. */
  readonly reason?: string;
  /** What it cuts off: counted first, by the code that would revoke. Undefined: it ends no session. */
  readonly cutoffs?: readonly object[];
  /** How it is confirmed. `one` and `person`: by the button of the dialog. `wide`: the number of sessions has to be typed, too. */
  readonly tier: 'one' | 'person' | 'wide';
  readonly consequence?: string;
  readonly done?: (() => void) | undefined;
}

interface Result {
  readonly txn?: string;
  readonly receipt?: Receipt;
  readonly revocation?: { readonly txn: string; readonly receipt?: Receipt } | null;
}

/** The button of an act. Its dialog has the preview, the confirmation, and then how many instances deny it. */
export function ActButton({ act, isMain }: { readonly act: Act; readonly isMain?: boolean }) {
  const [isOpen, setOpen] = useState(false);
  if (!may(act.operation)) return null;
  return (
    <>
      <button type="button" class="small danger" data-act={isMain ? '' : undefined} onClick={() => setOpen(true)}>
        {act.label}
      </button>
      {isOpen && <ActDialog act={act} close={() => setOpen(false)} />}
    </>
  );
}

function ActDialog({ act, close }: { readonly act: Act; readonly close: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const title = useId();
  const [preview, setPreview] = useState<Preview>();
  const [isPreviewed, setPreviewed] = useState(act.cutoffs === undefined);
  const [why, setWhy] = useState('');
  const [reason, setReason] = useState(act.reason ?? '');
  const [typed, setTyped] = useState('');
  const [result, setResult] = useState<Result>();
  const work = useWork();
  const button = useRef<HTMLButtonElement>(null);
  const { isComplete } = useLive();
  useEffect(() => dialog.current?.showModal(), []);
  // The focus is lost where what had it is removed, disabled, or hidden until an operator is logged in again.
  useEffect(() => {
    if (result || work.failure !== undefined) button.current?.focus();
  }, [result, work.failure]);
  useEffect(() => {
    if (isComplete) dialog.current?.querySelector('input')?.focus();
  }, [isComplete]);
  const returned = (isAuthenticated: boolean) => {
    if (isAuthenticated) work.clear();
    button.current?.focus();
  };

  const count = async () => {
    if (act.cutoffs === undefined || !may('previewRevocation')) return setPreviewed(true);
    setPreview(await call<Preview>('/admin/revocations/preview', { body: { cutoffs: act.cutoffs } }));
    setPreviewed(true);
  };
  useEffect(() => void work.run(count), []);

  const sessions = preview?.sessions;
  const word = sessions === undefined || sessions === 0 ? 'everybody' : String(sessions);
  const isConfirmed = act.tier !== 'wide' || typed.trim() === word || typed.trim() === 'everybody';
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    void work.run(async () => {
      try {
        const done = await call<Result>(act.path, {
          body: { ...act.body, why, ...(act.reason !== undefined && { reason }) },
          headers: { Prefer: 'wait', ...(sessions !== undefined && { 'X-Previewed-Sessions': String(sessions) }) },
        });
        // The dialog may have been closed meanwhile.
        if (dialog.current === null) act.done?.();
        else setResult(done ?? {});
      } catch (error) {
        if (isRefusal(error, 'authentication_insufficient')) requestStepUp(returned);
        if (isRefusal(error, 'preview_outgrown')) {
          setTyped('');
          await count();
        }
        throw error instanceof Refusal && error.requestId !== undefined
          ? new Error(`${error.message} (request ${error.requestId})`)
          : error;
      }
    });
  };
  const closed = () => {
    if (result) act.done?.();
    close();
  };
  return (
    <dialog ref={dialog} onClose={closed} aria-labelledby={title}>
      {result ? (
        <>
          <h2 id={title}>Done</h2>
          <Outcome result={result} />
          <div class="actions">
            <button type="button" class="primary" ref={button} onClick={() => dialog.current?.close()}>
              Close
            </button>
          </div>
        </>
      ) : (
        <form onSubmit={submit}>
          <h2 id={title}>{act.title}</h2>
          <Consequence act={act} preview={preview} isPreviewed={isPreviewed} />
          <Field
            label="Why"
            name="why"
            value={why}
            onValue={setWhy}
            hint="Stored in the audit only. No name, no secret."
            isFocused
          />
          {act.reason !== undefined && (
            <Field
              label="Reason"
              name="reason"
              value={reason}
              onValue={setReason}
              hint="A word for the event, such as device_lost."
            />
          )}
          {act.tier === 'wide' && isPreviewed && (
            <Field
              label={`Type ${word} to confirm`}
              name="confirm"
              value={typed}
              onValue={setTyped}
              hint={word === 'everybody' ? undefined : 'The number of sessions that it ends.'}
            />
          )}
          {work.failure && <Notice kind="error">{work.failure}</Notice>}
          <div class="actions">
            <button type="button" onClick={() => dialog.current?.close()}>
              Cancel
            </button>
            <button type="submit" class="danger" ref={button} disabled={!isPreviewed || !isConfirmed || work.isRunning}>
              {work.isRunning && isPreviewed ? 'Working …' : act.label.replace(/ …$/, '')}
            </button>
          </div>
        </form>
      )}
    </dialog>
  );
}

function Consequence({
  act,
  preview,
  isPreviewed,
}: {
  readonly act: Act;
  readonly preview: Preview | undefined;
  readonly isPreviewed: boolean;
}) {
  const text: ComponentChildren = preview ? (
    <>
      It ends <strong>{countText(preview.sessions, 'session')}</strong> of {countText(preview.subjects, 'user')}, and
      denies the tokens of at most {countText(preview.affectedSessions, 'session')}.
      {preview.administrators > 0 && (
        <>
          {' '}
          Administrators among them: at most <strong>{preview.administrators}</strong>; it may log them out of this
          console.
        </>
      )}
    </>
  ) : isPreviewed ? (
    (act.consequence ?? 'It takes effect at once.')
  ) : (
    'Counting the sessions that it would end …'
  );
  return (
    <>
      <p>{text}</p>
      {preview && act.consequence && <p class="about">{act.consequence}</p>}
    </>
  );
}

function Outcome({ result }: { readonly result: Result }) {
  const { txn, receipt } = result.revocation === undefined ? result : (result.revocation ?? {});
  if (txn === undefined) return <p>It is done; there was no token to deny.</p>;
  return (
    <Notice kind={receipt?.complete ? 'success' : 'info'}>
      {receipt ? sentenceOfReceipt(receipt) : 'It is durable, and on its way to the instances.'}{' '}
      {may('getRevocation') && <Link to={`/revocations/${encodeURIComponent(txn)}`}>Show the crossing</Link>}
    </Notice>
  );
}
