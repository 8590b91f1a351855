/** A length of time in its greatest unit: `0 s`, `7 s`, `3 min`. */
export function ageText(ms: number): string {
  const positiveMs = Math.max(0, ms);
  if (positiveMs < 1_000) return '0 s';
  const [unit = 'd', size = 86_400_000] =
    (
      [
        ['s', 1_000, 120_000],
        ['min', 60_000, 7_200_000],
        ['h', 3_600_000, 172_800_000],
      ] as const
    ).find(([, , below]) => positiveMs < below) ?? [];
  return `${Math.floor(positiveMs / size)} ${unit}`;
}

/** A measured time: `8.4 ms`, `41 ms`, `1.2 s`. */
export function msText(ms: number | null): string {
  if (ms === null) return '—';
  if (ms < 10) return `${Math.round(ms * 10) / 10} ms`;
  return ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(1)} s`;
}

export const isoText = (at: number): string => new Date(at).toISOString();

const clock = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const day = new Intl.DateTimeFormat('en-GB', {
  weekday: 'short',
  day: 'numeric',
  month: 'short',
  hour: '2-digit',
  minute: '2-digit',
});

/** `14:03:07` in the zone of the browser. */
export const clockText = (at: number): string => clock.format(at);

const date = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short' });

/** `24 Nov` in the zone of the browser. */
export const dateText = (at: number): string => date.format(at);

/** `Tue 24 Nov, 14:03` in the zone of the browser. */
export const dayText = (at: number): string => day.format(at);

export const zoneText = (): string => Intl.DateTimeFormat().resolvedOptions().timeZone;

/** The beginning of an id; the tooltip has the id in full. */
export const shortId = (id: string): string => (id.length > 12 ? `${id.slice(0, 8)}…` : id);

export const countText = (count: number, one: string, many = `${one}s`): string =>
  `${count.toLocaleString('en')} ${count === 1 ? one : many}`;

const INVISIBLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu;
const MAX_UNTRUSTED_LENGTH = 120;

/** A text that anybody may have chosen, such as the name of a device: cut, and with a mark in place of each control and direction character. */
export function untrustedText(text: string): string {
  const visible = text.replace(INVISIBLE, '�');
  return visible.length > MAX_UNTRUSTED_LENGTH ? `${visible.slice(0, MAX_UNTRUSTED_LENGTH)}…` : visible;
}

const names = new Intl.Collator('en', { numeric: true });

interface Named {
  readonly service: string;
  readonly instance: string;
}

/** The order of instances everywhere: by service, then by name with its numbers as numbers. */
export const byServiceAndName = (a: Named, b: Named): number =>
  a.service === b.service ? names.compare(a.instance, b.instance) : names.compare(a.service, b.service);

/** What a revocation denies, in words. */
export function denialText({ claim, value }: { readonly claim: string; readonly value: string }): string {
  const names: Readonly<Record<string, string>> = {
    sid: 'session',
    sub: 'person',
    client_id: 'client',
    kid: 'key',
    jti: 'token',
  };
  return claim === 'iss' ? 'everybody' : `${names[claim] ?? claim} ${shortId(value)}`;
}

/** The colour of a property of the style sheet as a canvas takes it: a canvas does not know `var()` and `light-dark()`. */
export function colorOf(element: HTMLElement, property: string): string {
  const probe = document.createElement('span');
  probe.style.color = `var(${property})`;
  element.parentElement?.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}
