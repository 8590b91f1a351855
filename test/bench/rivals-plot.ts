import type { Spread } from './case.ts';
import { escapeText, textWidth } from './plot.ts';
import { round } from './report.ts';

/** Contestants of one case on one axis, which starts at 0. */
interface Panel {
  readonly id: string;
  readonly title: string;
  /** The name in the results of each contestant, with the label in the plot. */
  readonly contestants: readonly (readonly [name: string, label: string])[];
}

/** The labels of the contestants of this project begin with this. */
const OURS = 'Rescind';

const P3: readonly (readonly [name: string, label: string])[] = [
  ['no auth', 'no authentication'],
  ['guard', 'Rescind’s guard, revocation enforced'],
  ['jsonwebtoken + Redis', 'jsonwebtoken and a look-up in Redis'],
  ['jsonwebtoken + four SQLite reads', 'jsonwebtoken and four look-ups in SQLite'],
  ['jsonwebtoken alone, no revocation', 'jsonwebtoken alone, no revocation'],
  ['express-oauth2-jwt-bearer, no revocation', 'express-oauth2-jwt-bearer, no revocation'],
];

const seenBefore = (tokens: number) =>
  [
    [`guard, ${tokens} tokens`, 'Rescind’s guard, revocation enforced'],
    [`fast-jwt, cached, ${tokens} tokens`, 'fast-jwt with its cache, no revocation'],
    [`jsonwebtoken.verify(KeyObject), ${tokens} tokens`, 'jsonwebtoken, no revocation'],
  ] as const;

const delivered = [
  ['kafkajs: send → all have it (median, p99, worst)', 'kafkajs alone: sent → received'],
  ['answer → all deny (median, p99, worst)', 'Rescind: response → denied'],
  ['request → all deny (median, p99, worst)', 'Rescind: request → denied'],
] as const;

/** In the order of the plot. Cases that were not run have no panel. */
const PANELS: readonly Panel[] = [
  {
    id: 'P1',
    title: 'A token seen before, one of 1,000: time of a decision (less is better)',
    contestants: seenBefore(1_000),
  },
  {
    id: 'P1',
    title: 'A token seen before, one of 16,000: time of a decision (less is better)',
    contestants: seenBefore(16_000),
  },
  {
    id: 'P2',
    title: 'A token never seen: time of a decision (less is better)',
    contestants: [
      ['guard', 'Rescind’s guard, revocation enforced'],
      ['jsonwebtoken.verify(KeyObject)', 'jsonwebtoken, no revocation'],
    ],
  },
  { id: 'P3', title: 'An Express service, saturated: requests a second (more is better)', contestants: P3 },
  {
    id: 'P3',
    title: 'An Express service: CPU of the server for a request (less is better)',
    contestants: P3.map(([name, label]) => [`${name}: server CPU a request`, label]),
  },
  { id: 'P4', title: 'A revocation by Kafka to another instance: median (less is better)', contestants: delivered },
  { id: 'P9', title: 'A revocation by Kafka to all of 100 instances: median (less is better)', contestants: delivered },
  {
    id: 'P9-1000',
    title: 'A revocation by Kafka to all of 1,000 instances: median (less is better)',
    contestants: delivered,
  },
  {
    id: 'P5',
    title: 'A catch-up: time for an event (less is better)',
    contestants: [
      ['one event of a catch-up', 'Rescind: verified, applied, in the file'],
      ['crypto.verify(KeyObject), RS256', 'crypto.verify of its signature alone'],
    ],
  },
  {
    id: 'lookup',
    title: 'Four look-ups of a token among a million rows (less is better)',
    contestants: [
      ['denylist', 'Rescind’s denylist'],
      ['four Sets of strings', 'four Sets of strings, not durable'],
      ['one SQLite UNION ALL', 'one statement of SQLite (UNION ALL)'],
      ['four SQLite statements', 'four statements of SQLite'],
    ],
  },
];

/** A case of the results, as `toJson` writes it. */
interface Measured {
  readonly id: string;
  readonly rivals: readonly Spread[];
}

/** Lengths of the plot, in px. */
const WIDTH = 760;
const LINE = 22;
const TITLE = 34;

/** Draws one panel for each comparison: a bar for the median of each contestant. */
export function toRivalsSvg(cases: readonly Measured[]): string {
  const panels = PANELS.flatMap(({ id, title, contestants }) => {
    const rivals = cases.find((one) => one.id === id)?.rivals ?? [];
    const rows = contestants.flatMap(([name, label]) => {
      const spread = rivals.find((rival) => rival.name === name);
      return spread === undefined ? [] : [{ label, spread }];
    });
    return rows.length < 2 ? [] : [{ title, rows }];
  });
  const left = Math.max(...panels.flatMap(({ rows }) => rows.map(({ label }) => textWidth(label)))) + 16;
  const right =
    Math.max(...panels.flatMap(({ rows }) => rows.map(({ spread }) => textWidth(spellMedian(spread))))) + 16;
  let y = 0;
  const drawn = panels.map(({ title, rows }) => {
    const top = y;
    y += TITLE + rows.length * LINE + 10;
    return drawPanel(title, rows, top, { left, right });
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${y}" viewBox="0 0 ${WIDTH} ${y}" font-family="sans-serif" font-size="12">`,
    `<rect width="${WIDTH}" height="${y}" fill="#fff"/>`,
    ...drawn,
    '</svg>',
    '',
  ].join('\n');
}

interface Row {
  readonly label: string;
  readonly spread: Spread;
}

const spellMedian = ({ median, unit }: Spread) => `${round(median).toLocaleString('en')} ${unit}`;

interface Margins {
  readonly left: number;
  readonly right: number;
}

function drawPanel(title: string, rows: readonly Row[], top: number, { left, right }: Margins): string {
  const maxMedian = Math.max(...rows.map(({ spread }) => spread.median));
  const scale = (WIDTH - left - right) / maxMedian;
  return [
    `<text x="8" y="${top + 24}" fill="#222" font-weight="bold">${escapeText(title)}</text>`,
    ...rows.map(({ label, spread }, index) => {
      const y = top + TITLE + index * LINE;
      const width = Math.max(1, Math.round(spread.median * scale));
      const isOurs = label.startsWith(OURS);
      return (
        `<text x="${left - 8}" y="${y + 13}" text-anchor="end" fill="#222"${isOurs ? ' font-weight="bold"' : ''}>${escapeText(label)}</text>` +
        `<rect x="${left}" y="${y + 2}" width="${width}" height="${LINE - 7}" fill="${isOurs ? '#1f5fa8' : '#9aa3ad'}"/>` +
        `<text x="${left + width + 6}" y="${y + 13}" fill="#222">${escapeText(spellMedian(spread))}</text>`
      );
    }),
  ].join('\n');
}
