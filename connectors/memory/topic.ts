/**
 * Topics of the memory bus and the filters that match them.
 * @module
 */

/** What is wrong with a filter, or undefined. */
export function filterProblem(filter: string): string | undefined {
  const levels = filter.split("/");
  if (levels.some((level, i) => level === "#" && i < levels.length - 1)) return "# as the last level only";
  if (levels.some((level) => level.length > 1 && /[+#]/.test(level))) return "+ and # as whole levels only";
  return undefined;
}

/** For messages, as a completion of "wanted …". */
export const wantedTopic = "a topic of at most 4096 characters without the wildcards + and #";

/** Whether rows can be written to it. */
export function isPublishTopic(topic: string): boolean {
  return topic !== "" && topic.length <= 4096 && !/[+#]/.test(topic);
}

/** True when `filter` covers `topic`. As in MQTT, `a/#` covers `a` itself too. */
export function topicMatches(filter: string, topic: string): boolean {
  if (filter === topic) return true;
  const wanted = filter.split("/");
  const levels = topic.split("/");
  for (const [i, level] of wanted.entries()) {
    if (level === "#") return true;
    if (i >= levels.length || (level !== "+" && level !== levels[i])) return false;
  }
  return wanted.length === levels.length;
}
