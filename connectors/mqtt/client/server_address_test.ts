import assert from "node:assert/strict";
import { test } from "node:test";
import { parseServerAddress } from "./server_address.ts";

const cases: [text: string, url: string, host: string, port: number, secure: boolean, path: string | undefined][] = [
  ["tcp://127.0.0.1:1884", "tcp://127.0.0.1:1884", "127.0.0.1", 1884, false, undefined],
  ["mqtt://broker", "mqtt://broker:1883", "broker", 1883, false, undefined],
  ["broker:1883", "tcp://broker:1883", "broker", 1883, false, undefined],
  ["ssl://u:p@broker", "ssl://broker:8883", "broker", 8883, true, undefined],
  ["tls://broker:1", "tls://broker:1", "broker", 1, true, undefined],
  ["mqtts://[::1]:8884", "mqtts://[::1]:8884", "::1", 8884, true, undefined],
  ["ws://broker", "ws://broker:80/", "broker", 80, false, "/"],
  ["wss://broker/mqtt?a=1", "wss://broker:443/mqtt?a=1", "broker", 443, true, "/mqtt?a=1"],
];

for (const [text, url, host, port, secure, webSocketPath] of cases) {
  test(`parseServerAddress() reads ${text}`, () => {
    const { username: _, password: __, ...rest } = parseServerAddress(text);
    assert.deepEqual(rest, { url, host, port, secure, webSocketPath });
  });
}

test("parseServerAddress() takes user and password, decoded", () => {
  const { username, password } = parseServerAddress("tcp://us%40er:p%2Fw@h");
  assert.deepEqual([username, password], ["us@er", "p/w"]);
});

for (const text of ["http://h", "tcp://", "tcp://h:99999", "constructor://h"]) {
  test(`parseServerAddress() refuses ${text}`, () => {
    assert.throws(() => parseServerAddress(text), { name: "MqttError", retryable: false });
  });
}
