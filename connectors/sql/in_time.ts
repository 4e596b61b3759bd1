/**
 * Good-byes that a peer may never answer.
 * @module
 */

const patienceMs = 500;

/** Resolves when `ending` does, and after half a second at the latest. */
export async function inTime(ending: Promise<unknown>): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<void>((done) => timer = setTimeout(done, patienceMs));
  await Promise.race([ending, late]).finally(() => clearTimeout(timer));
}
