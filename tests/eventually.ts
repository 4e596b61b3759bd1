/**
 * Waiting in tests, without fixed sleeps.
 * @module
 */

/**
 * Resolves once `condition` holds, asking every few milliseconds.
 *
 * @throws when it does not within `timeoutMs`
 */
export async function eventually(condition: () => boolean | Promise<boolean>, timeoutMs = 15_000): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`Still not true after ${timeoutMs} ms: ${condition}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
