/**
 * Topics that a message can be published on.
 *
 * Source: MQTT 5.0 and 3.1.1, section 4.7.
 * @module
 */

/** For messages, as a completion of "wanted …". */
export const wantedTopic = "a topic of 1 to 65535 bytes without the wildcards + and #";

const bytesMax = 65_535;

export function isPublishTopic(topic: string): boolean {
  if (topic === "" || /[+#\0]/.test(topic)) return false;
  // A character has at most three bytes for each unit.
  return topic.length * 3 <= bytesMax || new TextEncoder().encode(topic).length <= bytesMax;
}
