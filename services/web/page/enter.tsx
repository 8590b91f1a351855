import { Field, Notice } from '@rescind/dev-page';
import { useEffect, useState } from 'preact/hooks';
import { codeOf, register } from './account.ts';
import { deviceId, deviceNameOf } from './device.ts';
import { useWork } from './hooks.ts';
import { Link, navigate } from './router.tsx';
import { howItEnded, isDefaultMode, mode, session, whenLoggedOut } from './session.ts';

interface Names {
  readonly username: string;
  readonly password: string;
}

interface EnterProps {
  readonly isNew: boolean;
}

/** Logs in, and first creates the account if `isNew`. The second factor is asked for once the password was right. */
export function Enter({ isNew }: EnterProps) {
  const [username, setUsername] = useState('');
  const [password, setPassword] = useState('');
  const [factor, setFactor] = useState<'none' | 'totp' | 'recoveryCode'>('none');
  const [code, setCode] = useState('');
  const work = useWork();
  const names: Names = { username, password };

  async function logIn(): Promise<void> {
    const second = factor === 'none' ? {} : { [factor]: code.trim() };
    try {
      await session.login({ ...names, ...second, deviceName: deviceNameOf(navigator.userAgent), deviceId: deviceId() });
    } catch (error) {
      if (codeOf(error) !== 'second_factor_required') throw error;
      setFactor('totp');
      return;
    }
    navigate('/');
  }

  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    void work.run(async () => {
      if (isNew) await register(names);
      await logIn();
    });
  };

  return (
    <main class="enter">
      <div class="card">
        <img src="/assets/icon.svg" alt="" width="44" height="44" />
        <h1>{factor === 'none' ? (isNew ? 'Create an account' : 'Log in') : 'Second factor'}</h1>
        <Ended isHidden={factor !== 'none'} />
        <form onSubmit={submit}>
          {factor === 'none' ? (
            <>
              <Field
                label="Name"
                name="username"
                autoComplete="username"
                value={username}
                onValue={setUsername}
                isFocused
              />
              <Field
                label="Password"
                name="password"
                type="password"
                autoComplete={isNew ? 'new-password' : 'current-password'}
                value={password}
                onValue={setPassword}
                {...(isNew && { hint: 'At least 8 characters. A few words are easier to remember.' })}
              />
            </>
          ) : (
            <SecondFactor kind={factor} code={code} setCode={setCode} setKind={setFactor} />
          )}
          {work.failure && <Notice kind="error">{work.failure}</Notice>}
          <button class="primary wide" type="submit" disabled={work.isRunning}>
            {work.isRunning ? 'One moment …' : isNew ? 'Create account' : 'Log in'}
          </button>
        </form>
        <p class="other">
          {isNew ? 'You have an account?' : 'New here?'}{' '}
          <Link to={isNew ? '/login' : '/register'}>{isNew ? 'Log in' : 'Create an account'}</Link>
        </p>
      </div>
      <p class="mode">
        The refresh token is in {mode === 'cookie' ? 'a cookie that no script can read' : 'the storage of this page'}
        {isDefaultMode ? '.' : ', as the address asks for.'}
      </p>
    </main>
  );
}

interface SecondFactorProps {
  readonly kind: 'totp' | 'recoveryCode';
  readonly code: string;
  readonly setCode: (code: string) => void;
  readonly setKind: (kind: 'totp' | 'recoveryCode') => void;
}

function SecondFactor({ kind, code, setCode, setKind }: SecondFactorProps) {
  const isTotp = kind === 'totp';
  const change = () => {
    setCode('');
    setKind(isTotp ? 'recoveryCode' : 'totp');
  };
  return (
    <>
      <Field
        key={kind}
        label={isTotp ? 'Code of your authenticator' : 'Recovery code'}
        name={isTotp ? 'totp' : 'recovery-code'}
        autoComplete="one-time-code"
        inputMode={isTotp ? 'numeric' : 'text'}
        value={code}
        onValue={setCode}
        isFocused
      />
      <button class="link" type="button" onClick={change}>
        {isTotp ? 'Use a recovery code instead' : 'Use the authenticator instead'}
      </button>
    </>
  );
}

const ENDS: Readonly<Record<string, string>> = {
  revoked: 'This session was ended by an administrator, or because the password was changed.',
  expired: 'This session has expired.',
  reuse: 'Somebody used a copy of this session. It was ended everywhere; change your password if you do not know why.',
  account: 'This account is suspended or deleted.',
  reauthentication: 'Log in again to continue.',
  replaced: 'Another login in this browser has ended this session.',
};

function Ended({ isHidden }: { readonly isHidden: boolean }) {
  const end = howItEnded();
  const [isLoggedOut, setLoggedOut] = useState(false);
  useEffect(() => void whenLoggedOut().then(() => setLoggedOut(true)), []);
  if (end === undefined || isHidden) return null;
  const here = isLoggedOut ? 'You are logged out.' : 'Logging out …';
  const byLogout = end.here && end.code === '' ? here : 'This session was ended from another tab or device.';
  return (
    <>
      <Notice kind={end.reason === 'reuse' ? 'error' : 'info'}>{ENDS[end.reason] ?? byLogout}</Notice>
      {end.reason === 'replaced' && (
        // A reload, so that nothing of the session before is left in this tab.
        <p class="other">
          <button class="link" type="button" onClick={() => location.assign(`/${location.search}`)}>
            Continue with the account of the other tab
          </button>
        </p>
      )}
    </>
  );
}
