/**
 * Opens a connection to an MQTT broker, by what its URLs say.
 * @module
 */
import { MqttClient } from "./client.ts";
import type { MqttConnection, MqttOptions } from "./connection.ts";
import { openSocket } from "./socket_transport.ts";
import type { OpenTransport } from "./transport.ts";
import { openWebSocket } from "./web_socket_transport.ts";

const openTransport: OpenTransport = (address, tls, events) =>
  (address.webSocketPath === undefined ? openSocket : openWebSocket)(address, tls, events);

/**
 * Begins to connect and returns at once; see {@linkcode MqttConnection.connected} and `onStatus`.
 *
 * @throws {MqttError} when the options cannot work, not retryable
 */
export function openMqtt(options: MqttOptions): MqttConnection {
  return new MqttClient(options, openTransport);
}
