import { Card, Notice } from '@rescind/dev-page';
import { useEffect, useState } from 'preact/hooks';
import type { Device } from './account.ts';
import { account } from './account.ts';
import { deviceNameOf, isPhone } from './device.ts';
import { useNow, useWork } from './hooks.ts';

interface Page {
  readonly items: readonly Device[];
  readonly next?: string;
}

async function readDevices(): Promise<Device[]> {
  const devices: Device[] = [];
  for (let after: string | undefined, isLast = false; !isLast; ) {
    const page: Page = await account('GET', `/sessions?limit=50${after ? `&after=${encodeURIComponent(after)}` : ''}`);
    devices.push(...page.items);
    after = page.next;
    isLast = after === undefined;
  }
  // This one first; the others as they are, the newest first.
  return devices.sort((one, other) => Number(other.current) - Number(one.current));
}

export function Devices() {
  const [devices, setDevices] = useState<readonly Device[]>();
  const work = useWork();
  const reload = async () => setDevices(await readDevices());
  useEffect(() => {
    void work.run(reload);
    const shown = () => void (document.hidden || work.run(reload));
    document.addEventListener('visibilitychange', shown);
    return () => document.removeEventListener('visibilitychange', shown);
  }, []);
  const change = (method: string, path: string, body?: object) =>
    work.run(async () => {
      await account(method, path, body);
      await reload();
    });
  const others = devices?.filter(({ current }) => !current).length ?? 0;

  return (
    <main>
      <div class="title">
        <h1>Where you are logged in</h1>
        <p>A device that you log out is refused by every service within milliseconds.</p>
      </div>
      {work.failure && <Notice kind="error">{work.failure}</Notice>}
      <Card
        title={devices === undefined ? 'Devices' : `${devices.length} ${devices.length === 1 ? 'device' : 'devices'}`}
        actions={
          <button
            class="danger"
            type="button"
            disabled={others === 0}
            onClick={() => void change('DELETE', '/sessions')}
          >
            Log out all others
          </button>
        }
      >
        <ul class="devices">
          {devices?.map((device) => (
            <DeviceRow
              key={device.sid}
              device={device}
              onEnd={() => void change('DELETE', `/sessions/${device.sid}`)}
              onRename={(deviceName) => change('PATCH', `/sessions/${device.sid}`, { deviceName })}
            />
          ))}
        </ul>
      </Card>
    </main>
  );
}

interface DeviceRowProps {
  readonly device: Device;
  readonly onEnd: () => void;
  readonly onRename: (deviceName: string) => Promise<boolean>;
}

function DeviceRow({ device, onEnd, onRename }: DeviceRowProps) {
  const { deviceName, origin, current, lastUsedAt, createdAt, amr } = device;
  const now = useNow();
  const shown = deviceName ?? deviceNameOf(origin.userAgent ?? '');
  const [name, setName] = useState<string>();
  const save = async (event: SubmitEvent) => {
    event.preventDefault();
    if (name && name !== shown && !(await onRename(name))) return;
    setName(undefined);
  };
  return (
    <li data-current={current}>
      <DeviceIcon isPhone={isPhone(`${origin.userAgent} ${shown}`)} />
      <div class="what">
        {name === undefined ? (
          <h3>
            {shown}
            {current && <span class="badge good">this device</span>}
          </h3>
        ) : (
          <form class="rename" onSubmit={(event) => void save(event)}>
            <input
              aria-label="Name of the device"
              value={name}
              maxLength={64}
              ref={(field) => field?.focus()}
              onInput={(event) => setName(event.currentTarget.value)}
              onKeyDown={(event) => event.key === 'Escape' && setName(undefined)}
            />
            <button type="submit">Save</button>
          </form>
        )}
        <p>
          {current ? 'Used now' : `Used ${ago(now - lastUsedAt)}`} · logged in {ago(now - createdAt)}
          {amr.includes('mfa') ? ' with two factors' : ''}
          {origin.address && <span class="address"> · {origin.address}</span>}
        </p>
      </div>
      <div class="actions">
        {name === undefined && (
          <button type="button" onClick={() => setName(shown)} aria-label={`Rename ${shown}`}>
            Rename
          </button>
        )}
        {!current && (
          <button class="danger" type="button" onClick={onEnd} aria-label={`Log out ${shown}`}>
            Log out
          </button>
        )}
      </div>
    </li>
  );
}

function DeviceIcon({ isPhone: isSmall }: { readonly isPhone: boolean }) {
  const path = isSmall
    ? 'M8 2h8a2 2 0 0 1 2 2v16a2 2 0 0 1-2 2H8a2 2 0 0 1-2-2V4a2 2 0 0 1 2-2Zm3 17h2'
    : 'M5 4h14a1 1 0 0 1 1 1v10H4V5a1 1 0 0 1 1-1ZM2 19h20';
  return (
    <svg class="device-icon" viewBox="0 0 24 24" aria-hidden="true">
      <path d={path} />
    </svg>
  );
}

const UNITS: readonly (readonly [seconds: number, unit: Intl.RelativeTimeFormatUnit])[] = [
  [86_400, 'day'],
  [3_600, 'hour'],
  [60, 'minute'],
];
const relative = new Intl.RelativeTimeFormat('en', { numeric: 'auto' });

function ago(ms: number): string {
  const seconds = Math.max(0, ms / 1_000);
  const [size, unit] = UNITS.find(([least]) => seconds >= least) ?? [];
  return size === undefined || unit === undefined ? 'just now' : relative.format(-Math.floor(seconds / size), unit);
}
