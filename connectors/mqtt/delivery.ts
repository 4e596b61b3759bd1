/**
 * What subscriptions and actions of an MQTT broker promise with their settings.
 * @module
 */
import type { InferOutput } from "valibot";
import type { DeliveryPromise, DeliveryUse } from "../../src/connector/declare.ts";
import type { connectionSettings, sinkSettings, sourceSettings } from "./mod.ts";

type Connection = InferOutput<typeof connectionSettings>;

/**
 * QoS 0 is sent once and forgotten. QoS 1 and 2 wait for an acknowledgement, but across an absence of weir only in a
 * session that the broker keeps. QoS 2 in such a session is exactly once, because the source keeps the identifiers of
 * the messages that it has taken with what the rule did: a broker that sends them again is answered, and no more.
 */
export function sourcePromise(
  settings: InferOutput<typeof sourceSettings>,
  connection: unknown,
  { keepsPosition, sharesConnection }: DeliveryUse,
): DeliveryPromise {
  const { enableClientSession, protocolVersion, sessionExpiryIntervalSeconds } = connection as Connection;
  if (settings.qos === 0) return { level: "at-most-once", limit: "the subscription has QoS 0: set qos 1" };
  if (!enableClientSession) {
    const limit = "what is published while weir is away is lost: set enableClientSession and a clientid";
    return { level: "at-most-once", limit };
  }
  if (protocolVersion === "5" && sessionExpiryIntervalSeconds === 0) {
    const limit = "the broker forgets the session at once: set sessionExpiryIntervalSeconds";
    return { level: "at-most-once", limit };
  }
  if (settings.qos === 1) return { level: "at-least-once", limit: "the subscription has QoS 1: set qos 2" };
  if (protocolVersion === "3.1") {
    const limit = "a broker of MQTT 3.1 does not say whether it kept the session: set protocolVersion 3.1.1";
    return { level: "at-least-once", limit };
  }
  if (!keepsPosition || sharesConnection) {
    const limit = "the stream or its connection is shared: nobody keeps the identifiers of its messages";
    return { level: "at-least-once", limit };
  }
  return { level: "exactly-once" };
}

/**
 * A message of QoS 1 or 2 is written again until the broker has acknowledged it, after a restart with a new packet
 * identifier: the broker takes it for another one, of QoS 2, too. Only the id in the user property `weir-id` of MQTT 5
 * tells receivers that it is the same.
 */
export function sinkPromise(settings: InferOutput<typeof sinkSettings>, connection: unknown): DeliveryPromise {
  if (settings.qos === 0) return { level: "at-most-once", limit: "messages are published with QoS 0: set qos 1" };
  if ((connection as Connection).protocolVersion === "5") return { level: "exactly-once" };
  const limit = "before MQTT 5 a message has no place for the id that tells repeats: set protocolVersion 5";
  return { level: "at-least-once", limit };
}
