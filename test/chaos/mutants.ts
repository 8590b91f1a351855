import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Invariant } from './oracle.ts';

/** A copy of the product with one mistake, which the driver must notice by this invariant. */
export interface Mutant {
  readonly invariant: Invariant;
  readonly mistake: string;
  /** The file, from the root of the repository. */
  readonly file: string;
  /** A text that the file has once. */
  readonly from: string;
  readonly to: string;
}

export const MUTANTS: Readonly<Record<string, Mutant>> = {
  'sub-ignored': {
    invariant: 'revoked-is-refused',
    mistake: 'instances ignore cut-offs by `sub`',
    file: 'packages/revocation/src/judge.ts',
    from: 'if (row === undefined || earliest > row.issuedUntil) continue;',
    to: "if (row === undefined || claim === 'sub' || earliest > row.issuedUntil) continue;",
  },
  'row-not-written': {
    invariant: 'stays-revoked',
    mistake: 'of the rows of a flush, the first of each claim is not written',
    file: 'packages/denylist/src/pending-writes.ts',
    from: 'for (const values of claims.values()) yield* values.values();',
    to: 'for (const values of claims.values()) yield* [...values.values()].slice(1);',
  },
  'cut-off-too-late': {
    invariant: 'only-revoked-is-refused',
    mistake: 'a cut-off denies tokens that were issued up to a minute after it',
    file: 'packages/revocation/src/judge.ts',
    from: 'earliest > row.issuedUntil) continue;',
    to: 'earliest > row.issuedUntil + 60_000) continue;',
  },
  'successor-not-repeated': {
    invariant: 'refresh-works-once',
    mistake: 'a repeated use of a refresh token returns this token instead of its successor',
    file: 'packages/issuer/src/session/refresh.ts',
    from: 'next?.token ?? retry?.token ?? presented.token',
    to: 'next?.token ?? presented.token',
  },
  'record-left-out': {
    invariant: 'log-has-no-gap',
    mistake: 'the relay leaves out the first of several records of a batch',
    file: 'packages/issuer/src/relay/core.ts',
    from: 'const records = before.map(({ jws }) => jws);',
    to: 'const records = before.slice(before.length > 1 ? 1 : 0).map(({ jws }) => jws);',
  },
  'epoch-without-beginning': {
    invariant: 'log-has-no-gap',
    mistake: 'the relay leaves out the first two events of an epoch',
    file: 'packages/issuer/src/relay/core.ts',
    from: 'const records = before.map(({ jws }) => jws);',
    to: 'const records = before.filter(({ seq }) => seq > 2).map(({ jws }) => jws);',
  },
  'restore-forgets': {
    invariant: 'ended-stays-ended',
    mistake: 'a restore imports no event that the backup lacks',
    file: 'packages/issuer/src/restore/restore.ts',
    from: 'keys, evidence, plan, signingKid',
    to: 'keys, evidence: { ...evidence, events: [] }, plan, signingKid',
  },
  'position-to-low-watermark': {
    invariant: 'position-never-falls',
    mistake: 'a low watermark below the position moves the position back',
    file: 'packages/feed/src/follower/core/position.ts',
    from: 'if (draft.logState.seq >= below) return;',
    to: 'if (draft.logState.seq === below) return;',
  },
  'session-goes-on': {
    invariant: 'ended-stays-ended',
    mistake: 'a logout denies the tokens, and does not end the session at the issuer',
    file: 'packages/issuer/src/revoke/plan.ts',
    from: 'endsSessions(claim) ? [{ claim, value }] : []',
    to: "claim !== 'sid' && endsSessions(claim) ? [{ claim, value }] : []",
  },
  'age-zero': {
    invariant: 'age-is-honest',
    mistake: 'a view that was complete once is reported as of the present',
    file: 'packages/feed/src/follower/core/age.ts',
    from: 'return Math.max(0, at.wall - asOf(logState), currentAge(age, at));',
    to: 'return 0;',
  },
  'never-stale': {
    invariant: 'stale-view-refuses',
    mistake: 'a guard accepts tokens however old its view',
    file: 'packages/guard/src/decision.ts',
    from: 'return view.ageMs > (route.critical ? settings.criticalStalenessMs : settings.maxStalenessMs);',
    to: 'return false;',
  },
  'answer-before-commit': {
    invariant: 'acknowledged-is-kept',
    mistake: 'the issuer answers 100 ms before the transaction is committed',
    file: 'packages/issuer/src/writes.ts',
    from: `      modes.transactions.runAndRetry(async (tx) => {
        const pending = createPending();
        const result = await work(toTransaction(context, tx, pending.call));
        pending.end();
        return result;
      }),`,
    to: `      new Promise((answer, refuse) => {
        const run = async (tx) => {
          const pending = createPending();
          const result = await work(toTransaction(context, tx, pending.call));
          pending.end();
          answer(result);
          await new Promise((then) => setTimeout(then, 100));
        };
        modes.transactions.runAndRetry(run).catch(refuse);
      }),`,
  },
};

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** A copy of packages and services; the installed packages of others are those of this tree. */
export interface MutatedTree {
  /** Its directory `services`. */
  readonly services: string;
  close(): void;
}

export function openMutatedTree({ file, from, to }: Mutant): MutatedTree {
  const directory = mkdtempSync(join(tmpdir(), 'rescind-mutant-'));
  const close = () => rmSync(directory, { recursive: true, force: true });
  try {
    cpSync(join(ROOT, 'package.json'), join(directory, 'package.json'));
    for (const folder of ['packages', 'services']) {
      cpSync(join(ROOT, folder), join(directory, folder), { recursive: true, verbatimSymlinks: true });
    }
    linkModules(directory);
    const path = join(directory, file);
    const text = readFileSync(path, 'utf8');
    if (text.split(from).length !== 2) throw new Error(`${file} must have the text once: ${from}`);
    writeFileSync(
      path,
      text.replace(from, () => to),
    );
    return { services: join(directory, 'services'), close };
  } catch (error) {
    close();
    throw error;
  }
}

/** Links each installed package; those of this repository to the copy. */
function linkModules(directory: string): void {
  const modules = join(directory, 'node_modules');
  mkdirSync(join(modules, '@rescind'), { recursive: true });
  for (const name of readdirSync(join(ROOT, 'node_modules'))) {
    if (name !== '@rescind' && name !== '.cache') symlinkSync(join(ROOT, 'node_modules', name), join(modules, name));
  }
  for (const folder of ['packages', 'services']) {
    for (const name of readdirSync(join(directory, folder))) {
      symlinkSync(join(directory, folder, name), join(modules, '@rescind', name));
    }
  }
}
