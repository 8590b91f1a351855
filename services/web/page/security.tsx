import { Card, Field, Notice } from '@rescind/dev-page';
import { useEffect, useState } from 'preact/hooks';
import { encode } from 'uqr';
import type { Account } from './account.ts';
import { account, codeOf } from './account.ts';
import { useWork } from './hooks.ts';
import { session } from './session.ts';

interface Secret {
  readonly secret: string;
  readonly uri: string;
}

export function Security() {
  const [owner, setOwner] = useState<Account>();
  const work = useWork();
  const reload = async () => setOwner(await account<Account>('GET', '/account'));
  useEffect(() => void work.run(reload), []);
  return (
    <main>
      <div class="title">
        <h1>Security</h1>
        <p>What is needed to log in as you.</p>
      </div>
      {work.failure && <Notice kind="error">{work.failure}</Notice>}
      {owner && (
        <div class="columns">
          <SecondFactorCard owner={owner} reload={reload} />
          <div class="stack">
            <PasswordCard hasSecondFactor={owner.secondFactor} />
            <EverywhereCard />
          </div>
        </div>
      )}
    </main>
  );
}

interface SecondFactorCardProps {
  readonly owner: Account;
  readonly reload: () => Promise<void>;
}

function SecondFactorCard({ owner, reload }: SecondFactorCardProps) {
  const [secret, setSecret] = useState<Secret>();
  const [password, setPassword] = useState('');
  const [totp, setTotp] = useState('');
  const [recoveryCodes, setRecoveryCodes] = useState<readonly string[]>();
  const work = useWork();

  const begin = async () => setSecret(await account<Secret>('POST', '/totp', { password }));
  const confirm = async () => {
    const confirmed = await account<{ recoveryCodes: string[] }>('POST', '/totp/confirm', { password, totp });
    setRecoveryCodes(confirmed.recoveryCodes);
    await finish();
  };
  const remove = async () => {
    await account('DELETE', '/totp', { password, totp });
    setRecoveryCodes(undefined);
    await finish();
  };
  /** The tokens before the change are refused from now on. */
  const finish = async () => {
    setSecret(undefined);
    setPassword('');
    setTotp('');
    await session.renew();
    await reload();
  };
  const step = owner.secondFactor ? remove : secret ? confirm : begin;
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    void work.run(step);
  };

  return (
    <Card
      title="Second factor"
      about="A code of an authenticator application, beside your password."
      actions={<span class={`badge ${owner.secondFactor ? 'good' : ''}`}>{owner.secondFactor ? 'on' : 'off'}</span>}
    >
      {recoveryCodes && <RecoveryCodes codes={recoveryCodes} />}
      {owner.secondFactor && !recoveryCodes && <p>{owner.recoveryCodesLeft} recovery codes are left.</p>}
      {secret && <QrCode {...secret} />}
      <form onSubmit={submit}>
        {!secret && (
          <Field
            label="Password"
            name="password"
            type="password"
            autoComplete="current-password"
            value={password}
            onValue={setPassword}
          />
        )}
        {(secret || owner.secondFactor) && (
          <Field
            label="Code"
            name="totp"
            inputMode="numeric"
            autoComplete="one-time-code"
            value={totp}
            onValue={setTotp}
          />
        )}
        {work.failure && <Notice kind="error">{work.failure}</Notice>}
        <button class={owner.secondFactor ? 'danger' : 'primary'} type="submit" disabled={work.isRunning}>
          {owner.secondFactor ? 'Remove the second factor' : secret ? 'Confirm' : 'Set up'}
        </button>
      </form>
    </Card>
  );
}

function QrCode({ uri, secret }: Secret) {
  const { data, size } = encode(uri, { border: 2 });
  const dark = data.flatMap((row, y) => row.flatMap((isDark, x) => (isDark ? [`M${x} ${y}h1v1h-1z`] : [])));
  return (
    <div class="qr">
      <svg viewBox={`0 0 ${size} ${size}`} role="img" aria-label="QR code for an authenticator application">
        <path d={dark.join('')} />
      </svg>
      <div>
        <p>Scan it with your authenticator, or enter the key:</p>
        <p>
          <code data-secret={secret}>{secret.replace(/(.{4})/g, '$1 ').trim()}</code>
        </p>
      </div>
    </div>
  );
}

function RecoveryCodes({ codes }: { readonly codes: readonly string[] }) {
  return (
    <Notice kind="success">
      <p>
        Your second factor is on. Keep these codes: each replaces the authenticator once, and they are not shown again.
      </p>
      <ul class="codes">
        {codes.map((code) => (
          <li key={code}>
            <code>{code}</code>
          </li>
        ))}
      </ul>
    </Notice>
  );
}

function PasswordCard({ hasSecondFactor }: { readonly hasSecondFactor: boolean }) {
  const [currentPassword, setCurrentPassword] = useState('');
  const [newPassword, setNewPassword] = useState('');
  const [totp, setTotp] = useState('');
  const [isDone, setDone] = useState(false);
  const work = useWork();
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    void work.run(async () => {
      await account('POST', '/password', { currentPassword, newPassword, ...(hasSecondFactor && { totp }) });
      setDone(true);
      // Every session ends, this one too, as the response to this refresh states.
      await session.renew().catch((error: unknown) => {
        if (codeOf(error) !== 'session_ended') throw error;
      });
    });
  };
  return (
    <Card title="Password" about="A new password ends every session, this one too.">
      <form onSubmit={submit}>
        <Field
          label="Present password"
          name="current"
          type="password"
          autoComplete="current-password"
          value={currentPassword}
          onValue={setCurrentPassword}
        />
        <Field
          label="New password"
          name="new"
          type="password"
          autoComplete="new-password"
          value={newPassword}
          onValue={setNewPassword}
        />
        {hasSecondFactor && (
          <Field
            label="Code"
            name="password-totp"
            inputMode="numeric"
            autoComplete="one-time-code"
            value={totp}
            onValue={setTotp}
          />
        )}
        {work.failure && <Notice kind="error">{work.failure}</Notice>}
        {isDone && <Notice kind="success">The password is changed.</Notice>}
        <button type="submit" disabled={work.isRunning}>
          Change password
        </button>
      </form>
    </Card>
  );
}

function EverywhereCard() {
  const work = useWork();
  const logOut = () =>
    void work.run(async () => {
      await account('POST', '/logout-everywhere');
      await logOut();
    });
  return (
    <Card title="Log out everywhere" about="Ends every session of yours, on every device.">
      {work.failure && <Notice kind="error">{work.failure}</Notice>}
      <button class="danger" type="button" disabled={work.isRunning} onClick={logOut}>
        Log out everywhere
      </button>
    </Card>
  );
}
