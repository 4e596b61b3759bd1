/**
 * Topic names and topic filters: what is valid, and what matches.
 * @module
 */
import { Buffer } from "node:buffer";

const TEXT_BYTES_MAX = 65_535;

function textTrouble(text: string): string | undefined {
  if (text.length === 0) return "it is empty";
  if (text.includes("\0")) return "it holds U+0000";
  if (!text.isWellFormed()) return "it holds half a surrogate pair";
  // A UTF-16 unit is at most three bytes, so only long ones need counting.
  if (text.length * 3 > TEXT_BYTES_MAX && Buffer.byteLength(text) > TEXT_BYTES_MAX) return "it is over 65535 bytes";
  return undefined;
}

/**
 * Says what is wrong with a topic to publish on.
 *
 * @returns a clause that completes "… is not a topic: ", or undefined when it is valid
 */
export function validateTopicName(topic: string): string | undefined {
  const trouble = textTrouble(topic);
  if (trouble !== undefined) return trouble;
  if (topic.includes("+") || topic.includes("#")) return "it holds a wildcard";
  return undefined;
}

/**
 * Says what is wrong with a topic filter, shared ones (`$share/group/filter`) included.
 *
 * @returns a clause that completes "… is not a topic filter: ", or undefined when it is valid
 */
export function validateTopicFilter(filter: string): string | undefined {
  const trouble = textTrouble(filter);
  if (trouble !== undefined) return trouble;
  let plain = filter;
  if (filter.startsWith("$share/")) {
    const share = /^\$share\/([^/]*)\/(.*)$/su.exec(filter);
    if (share === null) return "it has a share name but no filter";
    if (share[1] === "") return "its share name is empty";
    if (/[+#]/.test(share[1]!)) return "its share name holds a wildcard";
    if (share[2] === "") return "it has a share name but no filter";
    plain = share[2]!;
  }
  const levels = plain.split("/");
  for (let i = 0; i < levels.length; i++) {
    const level = levels[i]!;
    if (level.includes("#") && (level !== "#" || i !== levels.length - 1)) return `"#" must be the whole last level`;
    if (level.includes("+") && level !== "+") return `"+" must be a whole level`;
  }
  return undefined;
}

/** @returns the filter that a shared filter shares; any other filter as it is */
export function unshared(filter: string): string {
  if (!filter.startsWith("$share/")) return filter;
  return filter.slice(filter.indexOf("/", "$share/".length) + 1);
}

/** Whether a valid topic name matches a valid topic filter; a leading wildcard does not match a topic that begins with `$`. */
export function topicMatches(filter: string, topic: string): boolean {
  const want = unshared(filter).split("/");
  const have = topic.split("/");
  if (topic.startsWith("$") && (want[0] === "+" || want[0] === "#")) return false;
  for (let i = 0; i < want.length; i++) {
    if (want[i] === "#") return true;
    if (i >= have.length) return false;
    if (want[i] !== "+" && want[i] !== have[i]) return false;
  }
  return want.length === have.length;
}
