import { Field, Notice } from '@rescind/dev-page';
import { useEffect, useRef, useState } from 'preact/hooks';
import { call, isRefusal } from './api.ts';
import { loggedIn } from './live.ts';
import { useWork } from './parts.tsx';

/** The login. When a session has ended it opens over the page, whose forms keep what they have. */
export function Login() {
  const [username, setUsername] = useState('');
  const [password, setPassword] = useState('');
  const [totp, setTotp] = useState('');
  const [needsCode, setNeedsCode] = useState(false);
  const dialog = useRef<HTMLDialogElement>(null);
  const work = useWork();
  useEffect(() => {
    dialog.current?.showModal();
    // Chromium closes a dialog at the second Escape, and the dialog of an act below it too.
    const pressed = (event: KeyboardEvent) => event.key === 'Escape' && event.preventDefault();
    addEventListener('keydown', pressed);
    return () => removeEventListener('keydown', pressed);
  }, []);

  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    void work
      .run(async () => {
        try {
          await call('/login', { body: { username, password, ...(needsCode && { totp: totp.trim() }) } });
        } catch (error) {
          if (isRefusal(error, 'second_factor_required')) setNeedsCode(true);
          throw error;
        }
      })
      .then((isDone) => isDone && loggedIn());
  };
  return (
    <dialog
      ref={dialog}
      class="enter"
      aria-labelledby="login-title"
      onCancel={(event) => event.preventDefault()}
      onClose={() => dialog.current?.showModal()}
    >
      <form onSubmit={submit}>
        <img src="/assets/icon.svg" alt="" width="44" height="44" />
        <div>
          <h1 id="login-title">Console</h1>
          <p class="about">For accounts with a scope of administration.</p>
        </div>
        <Field label="Name" name="username" autoComplete="username" value={username} onValue={setUsername} isFocused />
        <Field
          label="Password"
          name="password"
          type="password"
          autoComplete="current-password"
          value={password}
          onValue={setPassword}
        />
        {needsCode && <CodeField name="totp" value={totp} onValue={setTotp} />}
        {work.failure && <Notice kind="error">{work.failure}</Notice>}
        <button type="submit" class="primary wide" disabled={work.isRunning}>
          {work.isRunning ? 'Logging in …' : 'Log in'}
        </button>
      </form>
    </dialog>
  );
}

const CodeField = (props: { readonly name: string; readonly value: string; onValue(value: string): void }) => (
  <Field label="Code of your authenticator" inputMode="numeric" autoComplete="one-time-code" isFocused {...props} />
);

/** Opens the dialog `StepUp` while it is mounted. */
let open: ((closed: Closed) => void) | undefined;

/** Called when the dialog is closed. @param isDone whether the operator has authenticated */
type Closed = (isDone: boolean) => void;

/** Asks for the password again (RFC 9470). The act is not repeated: the operator confirms it once more. */
export const requestStepUp = (closed: Closed): void => open?.(closed);

/** The dialog in which the operator authenticates again. */
export function StepUp() {
  const [isOpen, setOpen] = useState(false);
  const asked = useRef<Closed>(undefined);
  const isDone = useRef(false);
  const [password, setPassword] = useState('');
  const [totp, setTotp] = useState('');
  const [needsCode, setNeedsCode] = useState(false);
  const dialog = useRef<HTMLDialogElement>(null);
  const work = useWork();
  useEffect(() => {
    open = (closed) => {
      asked.current = closed;
      isDone.current = false;
      setOpen(true);
    };
    return () => {
      open = undefined;
    };
  }, []);
  useEffect(() => {
    if (isOpen) dialog.current?.showModal();
  }, [isOpen]);
  if (!isOpen) return null;

  const close = () => dialog.current?.close();
  const closed = () => {
    setOpen(false);
    setPassword('');
    setTotp('');
    work.clear();
    asked.current?.(isDone.current);
  };
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    void work
      .run(async () => {
        try {
          await call('/step-up', { body: { password, ...(needsCode && { totp: totp.trim() }) } });
        } catch (error) {
          if (isRefusal(error, 'second_factor_required')) setNeedsCode(true);
          throw error;
        }
      })
      .then((isAuthenticated) => {
        isDone.current = isAuthenticated;
        if (isAuthenticated) close();
      });
  };
  return (
    <dialog ref={dialog} onClose={closed} aria-labelledby="step-up-title">
      <form onSubmit={submit}>
        <h2 id="step-up-title">Is it you?</h2>
        <p>This requires that you entered your password a moment ago. Nothing has been done yet.</p>
        <Field
          label="Password"
          name="step-up-password"
          type="password"
          autoComplete="current-password"
          value={password}
          onValue={setPassword}
          isFocused
        />
        {needsCode && <CodeField name="step-up-totp" value={totp} onValue={setTotp} />}
        {work.failure && <Notice kind="error">{work.failure}</Notice>}
        <div class="actions">
          <button type="button" onClick={close}>
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
