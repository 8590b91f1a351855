import { transactionCases } from './cases.ts';
import { LAWS } from './laws.ts';
import { keepsMintingOrder } from './minting-order.ts';
import type { Operation } from './operation.ts';
import { clientOperations } from './operations-clients.ts';
import { logOperations } from './operations-log.ts';
import { sessionOperations } from './operations-sessions.ts';
import { readCases } from './reads.ts';
import type { TestedStore } from './tested-store.ts';

export type { InjectedFailure, TestedStore } from './tested-store.ts';

/** One thing that a store must do. */
export interface ContractCase {
  /** The title for the test runner. */
  readonly name: string;
  /** @throws AssertionError (node:assert) when the store does not do it */
  run(): Promise<void>;
}

/**
 * What every store of an issuer must do, as cases for any test runner:
 * `for (const { name, run } of storeContract(createTested)) test(name, run)`.
 *
 * @param createTested creates an empty store under test; called once for each case
 */
export function storeContract<Sql>(
  createTested: () => TestedStore<Sql> | Promise<TestedStore<Sql>>,
): readonly ContractCase[] {
  const toCase = (name: string, check: (tested: TestedStore<Sql>) => Promise<void>): ContractCase => ({
    name,
    async run() {
      const tested = await createTested();
      try {
        await check(tested);
      } finally {
        await tested.remove();
      }
    },
  });
  const operations = Object.entries({ ...logOperations, ...sessionOperations, ...clientOperations });
  return [
    ...[...Object.entries(readCases()), ...Object.entries(transactionCases<Sql>())].map(([name, check]) =>
      toCase(name, check as (tested: TestedStore<Sql>) => Promise<void>),
    ),
    toCase('a token minted before a cut-off is cut off by it, and one minted after is not', (tested) =>
      keepsMintingOrder(tested as TestedStore),
    ),
    ...operations.flatMap(([method, given]) =>
      [given]
        .flat()
        .flatMap((operation: Operation) =>
          Object.entries(LAWS).map(([law, check]) =>
            toCase([method, operation.when, law].filter((part) => part !== undefined).join(' '), (tested) =>
              check(tested as TestedStore, operation),
            ),
          ),
        ),
    ),
  ];
}
