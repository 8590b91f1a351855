import { Field, Notice } from '@rescind/dev-page';
import { useEffect, useRef, useState } from 'preact/hooks';
import { codeOf } from './account.ts';
import { Cancelled, useWork } from './hooks.ts';
import { session } from './session.ts';

interface Pending {
  resolve(): void;
  reject(error: unknown): void;
}

/** Asks for the password again when a route requires a recent login (RFC 9470); the request is repeated afterwards. */
export function StepUp() {
  const [pending, setPending] = useState<Pending>();
  const [password, setPassword] = useState('');
  const [totp, setTotp] = useState('');
  const [needsCode, setNeedsCode] = useState(false);
  const dialog = useRef<HTMLDialogElement>(null);
  const work = useWork();

  useEffect(() => {
    session.stepUp(() => new Promise<void>((resolve, reject) => setPending({ resolve, reject })));
    return () => session.stepUp(undefined);
  }, []);
  useEffect(() => {
    if (pending) dialog.current?.showModal();
  }, [pending]);

  const close = () => {
    setPending(undefined);
    setPassword('');
    setTotp('');
    setNeedsCode(false);
    work.clear();
  };
  const cancel = () => {
    pending?.reject(new Cancelled());
    close();
  };
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    void work
      .run(async () => {
        try {
          await session.reauthenticate({ password, ...(needsCode && { totp: totp.trim() }) });
        } catch (error) {
          if (codeOf(error) === 'second_factor_required') setNeedsCode(true);
          throw error;
        }
      })
      .then((isDone) => {
        if (!isDone) return;
        pending?.resolve();
        close();
      });
  };
  if (!pending) return null;
  return (
    <dialog ref={dialog} onClose={cancel} aria-labelledby="step-up-title">
      <form onSubmit={submit}>
        <h2 id="step-up-title">Is it you?</h2>
        <p>This requires that you entered your password a moment ago.</p>
        <Field
          label="Password"
          name="step-up-password"
          type="password"
          autoComplete="current-password"
          value={password}
          onValue={setPassword}
          isFocused
        />
        {needsCode && (
          <Field
            label="Code of your authenticator"
            name="step-up-totp"
            inputMode="numeric"
            autoComplete="one-time-code"
            value={totp}
            onValue={setTotp}
            isFocused
          />
        )}
        {work.failure && <Notice kind="error">{work.failure}</Notice>}
        <div class="actions">
          <button type="button" onClick={cancel}>
            Cancel
          </button>
          <button class="primary" type="submit" disabled={work.isRunning}>
            Continue
          </button>
        </div>
      </form>
    </dialog>
  );
}
