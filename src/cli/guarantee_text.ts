/**
 * What a rule promises, as lines.
 * @module
 */
import type { RuleGuarantee } from "../runtime/guarantee.ts";

const survivals = {
  nothing: "a message may be lost when weir is killed",
  process: "what is acknowledged survives a kill of weir",
  power: "what is acknowledged survives a loss of power",
};

export function guaranteeText({ level, survives, limits }: RuleGuarantee): string {
  const lines = limits.map(({ part, level, reason }) => `  ${part}  ${level}${reason === "" ? "" : `  (${reason})`}\n`);
  return `delivery: ${level.replaceAll("-", " ")}; ${survivals[survives]}\n${lines.join("")}`;
}
