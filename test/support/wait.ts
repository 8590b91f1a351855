/**
 * Waits until `condition` holds (returns something truthy) and returns that; looks every 10 ms.
 * @throws Error when `deadlineMs` (default 10 000) has passed, with `what` and the last error of the condition.
 */
export async function waitFor<T>(
  what: string,
  condition: () => T | Promise<T>,
  deadlineMs = 10_000,
): Promise<NonNullable<Exclude<T, false>>> {
  const end = performance.now() + deadlineMs;
  let lastError: unknown;
  do {
    try {
      const value = await condition();
      if (value) return value as NonNullable<Exclude<T, false>>;
      lastError = undefined;
    } catch (error) {
      lastError = error;
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  } while (performance.now() < end);
  throw new Error(`waited ${deadlineMs} ms in vain for: ${what}`, { cause: lastError });
}
