/**
 * Seeds that showed a mistake once, by what was wrong. A change of what seeds draw makes others of them: then each mistake
 * needs a new one, found by undoing its repair.
 * @module
 */
export const regressions: readonly { readonly seed: number; readonly name: string }[] = [];
