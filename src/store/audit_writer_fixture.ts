/**
 * A process that writes to the audit trail without end, for the test that kills it. Prints the sequence of each entry.
 * @module
 */
import process from "node:process";
import { openStore } from "./sqlite.ts";

const { audit } = openStore(process.argv[2]!);
const rest = { role: "editor", address: "", subject: "", outcome: "done", status: 200, reason: "", count: 1 } as const;
for (let n = 0;; n++) {
  const { sequence } = audit.append({
    time: n,
    action: "request",
    actor: "user ada",
    target: `PUT /rules/r${n}`,
    ...rest,
  });
  process.stdout.write(`${sequence}\n`);
  if (n % 64 === 0) await new Promise((resolve) => setTimeout(resolve, 0));
}
