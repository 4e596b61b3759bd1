import assert from "node:assert/strict";
import { test } from "node:test";
import { SeededRandom } from "../../../src/value/seeded_random.ts";
import { BadMessage, codeOf, codeText, decodeMessage, encodeMessage, type Message, type Option } from "./message.ts";
import { blockOf, blockOption, maxAgeOf, optionNumbers, textOption, textsOf, uintOf, uintOption } from "./options.ts";

const bytesOfHex = (hex: string) => Uint8Array.from(hex.match(/../g) ?? [], (pair) => parseInt(pair, 16));
const hexOf = (bytes: Uint8Array) => [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");

test("messages are those of RFC 7252, appendix A", () => {
  const get: Message = {
    type: "CON",
    code: codeOf("0.01"),
    id: 0x7d34,
    token: "",
    options: [textOption(optionNumbers.uriPath, "temperature")],
    payload: new Uint8Array(0),
  };
  // Figure 16: GET /temperature, and its piggybacked response.
  const bytes = "40017d34bb74656d7065726174757265";
  assert.equal(hexOf(encodeMessage(get)), bytes);
  assert.deepEqual(decodeMessage(bytesOfHex(bytes)), get);
  const response = decodeMessage(bytesOfHex("60457d34ff32322e332043"));
  assert.deepEqual({ type: response.type, code: codeText(response.code), id: response.id }, {
    type: "ACK",
    code: "2.05",
    id: 0x7d34,
  });
  assert.equal(new TextDecoder().decode(response.payload), "22.3 C");
  // Figure 17: with a token.
  assert.equal(decodeMessage(bytesOfHex("41017d3520bb74656d7065726174757265")).token, "20");
});

test("options of any size and distance are read as they are written, in the order of their numbers", () => {
  const options: Option[] = [
    uintOption(65_535, 0),
    [60_000, new Uint8Array(1000).fill(7)],
    [269, new Uint8Array(269).fill(1)],
    [268, new Uint8Array(268).fill(2)],
    [13, new Uint8Array(13)],
    [12, new Uint8Array(12)],
    textOption(optionNumbers.uriPath, "a"),
    textOption(optionNumbers.uriPath, "b"),
  ];
  const message: Message = {
    type: "NON",
    code: 2,
    id: 9,
    token: "0102030405060708",
    options,
    payload: bytesOfHex("ff00"),
  };
  const read = decodeMessage(encodeMessage(message));
  assert.deepEqual(read.options, [...options].sort(([a], [b]) => a - b));
  assert.deepEqual(textsOf(read, optionNumbers.uriPath), ["a", "b"]);
  assert.deepEqual(read.payload, message.payload);
  assert.equal(read.token, message.token);
});

test("numbers in options have no leading zeros, and blocks say where they stand", () => {
  assert.equal(uintOption(14, 0)[1].length, 0);
  for (const value of [0, 1, 255, 256, 65_536, 2 ** 32 - 1]) {
    assert.equal(uintOf({ options: [uintOption(14, value)] }, 14), value);
  }
  assert.equal(maxAgeOf({ options: [] }), 60);
  for (const block of [{ num: 0, more: true, size: 16 }, { num: 2 ** 20 - 1, more: false, size: 1024 }]) {
    assert.deepEqual(blockOf({ options: [blockOption(23, block)] }, 23), block);
  }
  assert.equal(blockOf({ options: [[23, Uint8Array.of(7)]] }, 23), "bad");
  assert.equal(blockOf({ options: [[23, new Uint8Array(4)]] }, 23), "bad");
});

test("what is no message is refused, with its identifier where a sender waits for an answer", () => {
  const cases: readonly [hex: string, reason: RegExp, id?: number][] = [
    ["", /0 bytes/],
    ["400100", /3 bytes/],
    ["80010001", /version 2/],
    ["49010001010203040506070809", /token of 9/, 1],
    ["42010001aa", /ends in its token/, 1],
    ["40000001ff00", /empty message/, 1],
    ["50000001ff00", /empty message/],
    ["40010001f0", /reserved/, 1],
    ["400100010f", /reserved/, 1],
    ["40010001d0", /ends in an option/, 1],
    ["40010001e000", /ends in an option/, 1],
    ["4001000102aa", /ends in option 0/, 1],
    ["40010001ff", /none/, 1],
    ["40010001e0ffffe0ffff", /option \d+/, 1],
  ];
  for (const [hex, reason, id] of cases) {
    assert.throws(() => decodeMessage(bytesOfHex(hex)), (error) => {
      assert.ok(error instanceof BadMessage, hex);
      assert.match(error.message, reason, hex);
      assert.equal(error.id, id, hex);
      return true;
    });
  }
});

test("any bytes are a message, which is written as it was, or none", () => {
  const random = new SeededRandom(7252);
  const int = (limit: number) => random.below(limit);
  let good = 0;
  for (let round = 0; round < 20_000; round++) {
    const bytes = Uint8Array.from({ length: int(40) }, () => int(256));
    // Most noise fails in its first byte.
    if (bytes.length > 0 && int(4) > 0) bytes[0] = 0x40 | int(4) << 4 | int(10);
    let message: Message;
    try {
      message = decodeMessage(bytes);
    } catch (error) {
      assert.ok(error instanceof BadMessage, `${hexOf(bytes)}: ${error}`);
      continue;
    }
    good++;
    assert.deepEqual(decodeMessage(encodeMessage(message)), message, hexOf(bytes));
  }
  assert.ok(good > 500, `${good}`);
});
