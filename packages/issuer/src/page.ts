const DEFAULT_PAGE = 100;
const MOST_OF_A_PAGE = 1_000;

/** How many a page has. @throws TypeError */
export function pageSize(limit = DEFAULT_PAGE): number {
  if (Number.isSafeInteger(limit) && limit >= 1 && limit <= MOST_OF_A_PAGE) return limit;
  throw new TypeError(`limit must be 1 to ${MOST_OF_A_PAGE}, got ${limit}`);
}
