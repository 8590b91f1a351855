import { transactionCases } from './cases.ts';
import { LAWS } from './laws.ts';
import { keepsMintingOrder } from './minting-order.ts';
import type { Operation } from './operation.ts';
import { clientOperations } from './operations-clients.ts';
import { logOperations } from './operations-log.ts';
import { sessionOperations } from './operations-sessions.ts';
import type { StorePlace } from './place.ts';
import { readCases } from './reads.ts';

export type { InjectedFailure, StorePlace } from './place.ts';

/** One thing that a store must do. */
export interface ContractCase {
  readonly name: string;
  /** @throws AssertionError (node:assert) when the store does not do it */
  run(): Promise<void>;
}

/**
 * What every store of an issuer must do, as cases for any test runner:
 * `for (const { name, run } of storeContract(createPlace)) test(name, run)`.
 *
 * @param createPlace makes a place for one store, empty; called once for each case
 */
export function storeContract<Sql>(
  createPlace: () => StorePlace<Sql> | Promise<StorePlace<Sql>>,
): readonly ContractCase[] {
  const toCase = (name: string, check: (place: StorePlace<Sql>) => Promise<void>): ContractCase => ({
    name,
    async run() {
      const place = await createPlace();
      try {
        await check(place);
      } finally {
        await place.remove();
      }
    },
  });
  const operations = Object.entries({ ...logOperations, ...sessionOperations, ...clientOperations });
  return [
    ...[...Object.entries(readCases()), ...Object.entries(transactionCases<Sql>())].map(([name, check]) =>
      toCase(name, check as (place: StorePlace<Sql>) => Promise<void>),
    ),
    toCase('a token minted before a cut-off is cut off by it, and one minted after is not', (place) =>
      keepsMintingOrder(place as StorePlace),
    ),
    ...operations.flatMap(([method, given]) =>
      [given]
        .flat()
        .flatMap((operation: Operation) =>
          Object.entries(LAWS).map(([law, check]) =>
            toCase([method, operation.when, law].filter((part) => part !== undefined).join(' '), (place) =>
              check(place as StorePlace, operation),
            ),
          ),
        ),
    ),
  ];
}
