import assert from "node:assert/strict";
import { test } from "node:test";
import { DateTime } from "../../src/value/datetime.ts";
import type { Value } from "../../src/value/value.ts";
import { BadPoint, type Point, pointText } from "./line_protocol.ts";

const point = (more: Partial<Point> = {}): Point => ({ measurement: "m", tags: [], fields: [["f", 1]], ...more });
const field = (value: Value) => point({ fields: [["f", value]] });

const texts: [what: string, Point, text: string][] = [
  ["a float", field(21.5), "m f=21.5"],
  ["a whole float", field(30), "m f=30"],
  ["a float with an exponent", field(1e21), "m f=1e+21"],
  ["an int", field(-9223372036854775808n), "m f=-9223372036854775808i"],
  ["an int that needs all 64 bits", field(18446744073709551615n), "m f=18446744073709551615u"],
  ["booleans", point({ fields: [["a", true], ["b", false]] }), "m a=true,b=false"],
  ["text with quotes and backslashes", field('say "C:\\"'), 'm f="say \\"C:\\\\\\""'],
  ["text over two lines", field("a\nb"), 'm f="a\nb"'],
  ["empty text", field(""), 'm f=""'],
  ["lists and structs", field([1n, { a: "x" }]), 'm f="[1,{\\"a\\":\\"x\\"}]"'],
  ["a datetime", field(new DateTime(0, "UTC")), 'm f="1970-01-01T00:00:00Z"'],
  ["bytes", field(new Uint8Array([1, 2, 255])), 'm f="AQL/"'],
  ["null fields left out", point({ fields: [["a", null], ["b", 2n], ["c", undefined]] }), "m b=2i"],
  ["tags in their order, empty ones left out", point({ tags: [["b", "1"], ["a", ""], ["c", "x"]] }), "m,b=1,c=x f=1"],
  [
    "names with signs of the protocol",
    point({ measurement: "a, b=c", tags: [["t =,", "v =,"]], fields: [["f =,", 1n]] }),
    "a\\,\\ b=c,t\\ \\=\\,=v\\ \\=\\, f\\ \\=\\,=1i",
  ],
  ["lone surrogates as the sign for what is none", field("\ud800"), 'm f="\ufffd"'],
];
for (const [what, given, text] of texts) test(`pointText() writes ${what}`, () => assert.equal(pointText(given), text));

const refused: [what: string, Point, message: string][] = [
  ["NaN", field(NaN), 'The field "f" is NaN, which InfluxDB has no value for'],
  ["an infinity", field(-Infinity), 'The field "f" is -Infinity, which InfluxDB has no value for'],
  ["ints beyond 64 bits", field(18446744073709551616n), 'The field "f" does not fit 64 bits'],
  ["no field", field(null), "A point needs a field with a value"],
  ["an empty measurement", point({ measurement: "" }), "A measurement cannot be empty"],
  ["what would be a comment", point({ measurement: "#m" }), 'A measurement cannot begin with "#" or a tab: "#m"'],
  [
    "a tag that would hide what follows",
    point({ tags: [["path", "C:\\"]] }),
    'A value of the tag "path" cannot hold a backslash before a comma, blank, quote, "=" or its end: "C:\\\\"',
  ],
  [
    "a line end in a tag",
    point({ tags: [["t", "a\nm f=2"]] }),
    'A value of the tag "t" cannot hold a line end: "a\\nm f=2"',
  ],
  ["a line end in a field's name", point({ fields: [["a\nb", 1]] }), 'A field cannot hold a line end: "a\\nb"'],
];
for (const [what, given, message] of refused) {
  test(`pointText() refuses ${what}`, () => {
    assert.throws(() => pointText(given), (error) => error instanceof BadPoint && error.message === message);
  });
}
