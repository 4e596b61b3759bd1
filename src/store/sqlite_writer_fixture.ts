/**
 * A process that writes pairs of definitions without end, for the test that kills it. Prints a line per commit.
 * @module
 */
import process from "node:process";
import { openStore } from "./sqlite.ts";

const { store } = openStore(process.argv[2]!);
for (let n = 0;; n++) {
  store.transaction(() => {
    store.put("stream", `s${n}`, String(n));
    store.put("rule", `r${n}`, "x".repeat(n % 5000));
  });
  process.stdout.write(`${n}\n`);
  if (n % 64 === 0) await new Promise((resolve) => setTimeout(resolve, 0));
}
