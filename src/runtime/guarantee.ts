/**
 * What a rule as a whole promises about each message, and what keeps it from promising more.
 *
 * A chain is as strong as its weakest link: the sources, the rule's own `qos`, and the sinks.
 * @module
 */
import type { DeliveryGuarantee, DeliveryPromise } from "../connector/declare.ts";
import { isBatched } from "./action_settings.ts";
import type { PreparedAction } from "./prepare_action.ts";
import type { PreparedRule, PreparedSource } from "./prepare_rule.ts";

/** One part that could promise more. */
export interface GuaranteeLimit {
  /** `stream demo`, `action 0_mqtt`, `rule`. */
  readonly part: string;
  readonly level: DeliveryGuarantee;
  /** What would have to be different; the empty text where nothing can be done. */
  readonly reason: string;
}

export interface RuleGuarantee {
  readonly level: DeliveryGuarantee;
  /** What a message that was acknowledged survives: see the rule options `qos` and `durability`. */
  readonly survives: "nothing" | "process" | "power";
  /** The parts that promise least first. */
  readonly limits: readonly GuaranteeLimit[];
}

const levels: readonly DeliveryGuarantee[] = ["at-most-once", "at-least-once", "exactly-once"];

export function guaranteeOf({ definition, inputs, actions }: PreparedRule): RuleGuarantee {
  const { temp, options: { qos, durability } } = definition;
  const limits: GuaranteeLimit[] = [ofRule(qos, temp)];
  for (const { source } of inputs) limits.push(ofSource(source));
  for (const [index, action] of actions.entries()) limits.push(ofAction(action, index, qos));
  const weakest = Math.min(...limits.map(({ level }) => levels.indexOf(level)));
  return {
    level: levels[weakest]!,
    survives: qos === 0 || temp ? "nothing" : durability,
    limits: limits
      .filter(({ level }) => level !== "exactly-once")
      .sort((a, b) => levels.indexOf(a.level) - levels.indexOf(b.level)),
  };
}

function ofRule(qos: 0 | 1 | 2, temp: boolean): GuaranteeLimit {
  if (qos > 0 && temp) {
    const reason = "temp is true: what the rule keeps goes with the process";
    return { part: "rule", level: "at-most-once", reason };
  }
  const level = levels[qos]!;
  return { part: "rule", level, reason: qos === 2 ? "" : `qos is ${qos}: set it to ${qos === 0 ? "1 or 2" : "2"}` };
}

function ofSource({ stream, role, settings, connection, onFull, sendIntervalMs = 0 }: PreparedSource): GuaranteeLimit {
  const part = `${stream.target} ${stream.name}`;
  if (onFull !== undefined && onFull !== "block") {
    return { part, level: "at-most-once", reason: `onFull is ${onFull}: set it to block` };
  }
  const use = { keepsPosition: !stream.options.shared, sharesConnection: connection?.named !== undefined };
  const promise = role.promise?.(settings as never, connection?.settings, use) ?? { level: role.delivery };
  if (promise.level === "exactly-once" && sendIntervalMs > 0) {
    const limit = "sendInterval hands on the rows of a message one by one, after a break all of them again";
    return limitOf(part, { level: "at-least-once", limit });
  }
  return limitOf(part, promise);
}

function ofAction({ definition, role, settings, connection, common }: PreparedAction, index: number, qos: number) {
  const part = `action ${index}_${definition.type}`;
  const { onFull, cacheAgeMax } = common;
  if (onFull === "dropOldest" || onFull === "dropNewest") {
    return limitOf(part, { level: "at-most-once", limit: `onFull is ${onFull}: set it to block` });
  }
  if (qos > 0 && cacheAgeMax > 0) {
    return limitOf(part, { level: "at-most-once", limit: "cacheAgeMax drops messages that are too old" });
  }
  const use = { keepsPosition: false, sharesConnection: connection?.named !== undefined };
  const declared: DeliveryPromise = { level: role.delivery };
  const promise = role.promise?.(settings as never, connection?.settings, use) ?? declared;
  if (promise.level === "exactly-once" && role.accepts === "payloads" && isBatched(common)) {
    const limit = "batches are put together anew after a break: set no batchSize and no lingerInterval";
    return limitOf(part, { level: "at-least-once", limit });
  }
  return limitOf(part, promise);
}

function limitOf(part: string, { level, limit = "" }: DeliveryPromise): GuaranteeLimit {
  return { part, level, reason: limit };
}

/** For a line: `stream demo: the subscription has QoS 0: set qos 1`. Those that bring the rule down to its level. */
export function limitsText({ level, limits }: RuleGuarantee): string {
  return limits
    .filter((each) => each.level === level)
    .map(({ part, reason }) => reason === "" ? part : `${part}: ${reason}`)
    .join("; ");
}
