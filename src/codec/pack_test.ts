import assert from "node:assert/strict";
import { test } from "node:test";
import * as v from "valibot";
import { readSettings } from "../connector/settings.ts";
import { DiagnosticError } from "../diagnostics/diagnostic.ts";
import { RowError } from "../diagnostics/row_error.ts";
import { compressionMethods } from "../value/compression.ts";
import { SeededRandom } from "../value/seeded_random.ts";
import { createPacker, createUnpacker, packEntries, type PackSettings } from "./pack.ts";

const message = '{"a":1,"text":"more than one block of sixteen"}';
const bytes = new TextEncoder().encode(message);

/** Made of `message` by Python's gzip and zlib, and by the program zstd. */
const compressed = {
  gzip: "H4sIAAAAAAACA6tWSlSyMtRRKkmtKFGyUsrNL0pVKMlIzFPIz0tVSMrJT85WyE9TKM6sKElNzVOqBQCL6fOiLwAAAA==",
  zlib: "eJyrVkpUsjLUUSpJrShRslLKzS9KVSjJSMxTyM9LVUjKyU/OVshPUyjOrChJTc1TqgUAZrUP3A==",
  flate: "q1ZKVLIy1FEqSa0oUbJSys0vSlUoyUjMU8jPS1VIyslPzlbIT1MozqwoSU3NU6oFAA==",
  zstd: "KLUv/QRYeQEAeyJhIjoxLCJ0ZXh0IjoibW9yZSB0aGFuIG9uZSBibG9jayBvZiBzaXh0ZWVuIn3+kojB",
};

/** IV 64 to 73, key 00 01 02 …, aad "gateway 7", by the Python package cryptography. */
const encrypted = [
  {
    settings: { mode: "cfb", iv: fixedIv(16) },
    keySize: 16,
    hex:
      "6465666768696a6b6c6d6e6f70717273e59d0fbe872dc25a79626dfcb3dfa6f683d6c4a9c2376102f0011ba8f5b1be33a0b26e5b945d32086279dcf7d5c1d2",
  },
  {
    settings: { mode: "cfb", iv: fixedIv(16) },
    keySize: 24,
    hex:
      "6465666768696a6b6c6d6e6f70717273c8b5f3ab06ca80d1a998814a0f71a5ffeac7bda3f942b3b2d70c60fa6686d654f97d4316089c8db5da5b9ea8252737",
  },
  {
    settings: { mode: "cfb", iv: fixedIv(16) },
    keySize: 32,
    hex:
      "6465666768696a6b6c6d6e6f70717273e8fa70028c11976f0ae8c7dfc485b2b193a6d310440106c19e4c48f5e34bf33bb090c5f9cc6e0cfb079ec3aeae712f",
  },
  {
    settings: { mode: "gcm", iv: fixedIv(12), aad: "gateway 7", tagsize: 16 },
    keySize: 16,
    hex:
      "6465666768696a6b6c6d6e6f61402f87e13394d8ef5b2f64a4f009815ffa1ddfe6c1bc34d400dff29c909b9cd997724bed3854f8f22c4223e3a039dec73553cf12552b70a705c5ff7651af",
  },
  {
    settings: { mode: "gcm", iv: fixedIv(12), aad: "gateway 7", tagsize: 12 },
    keySize: 16,
    hex:
      "6465666768696a6b6c6d6e6f61402f87e13394d8ef5b2f64a4f009815ffa1ddfe6c1bc34d400dff29c909b9cd997724bed3854f8f22c4223e3a039dec73553cf12552b70a705c5",
  },
  {
    settings: { mode: "gcm", iv: fixedIv(12), aad: "gateway 7", tagsize: 16 },
    keySize: 32,
    hex:
      "6465666768696a6b6c6d6e6f3339bf4443d87abc4a07279cf85f48902db0632aff04921c87bec22ddbc1c927f78260af2a32e86d85871d5a9360b77f0d31a0a7427a2d19860bb70c00e49d",
  },
  {
    settings: { mode: "gcm", iv: fixedIv(12), aad: "gateway 7", tagsize: 12 },
    keySize: 32,
    hex:
      "6465666768696a6b6c6d6e6f3339bf4443d87abc4a07279cf85f48902db0632aff04921c87bec22ddbc1c927f78260af2a32e86d85871d5a9360b77f0d31a0a7427a2d19860bb7",
  },
];

function fixedIv(size: number): string {
  return Uint8Array.from({ length: size }, (_, i) => 100 + i).toBase64();
}

function keyOf(size: number): Uint8Array {
  return Uint8Array.from({ length: size }, (_, i) => i);
}

function settingsOf(raw: Record<string, unknown>): PackSettings {
  return readSettings(v.strictObject(packEntries), raw, { path: "", where: "test action" });
}

function refusal(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    assert.ok(error instanceof DiagnosticError);
    const [{ code, message, path }] = error.diagnostics as [{ code: string; message: string; path?: string }];
    return `${code} ${path}: ${message}`;
  }
  assert.fail("nothing was refused");
}

test("without settings there is no packer", () => {
  assert.equal(createPacker(settingsOf({})), undefined);
});

for (const method of compressionMethods) {
  test(`${method}: what another program compressed is read`, () => {
    assert.deepEqual(createUnpacker(method)(Uint8Array.fromBase64(compressed[method])), bytes);
  });

  test(`${method}: what is packed comes out again, at every level`, () => {
    const levels = method === "zstd" ? [1, 3, 19, 22] : [-1, 0, 1, 9];
    for (const level of [undefined, ...levels]) {
      const packer = createPacker(settingsOf({ compression: method.toUpperCase(), compressionProps: { level } }))!;
      for (const payload of ["", message, message.repeat(5000)]) {
        const packed = packer(payload);
        assert.equal(new TextDecoder().decode(createUnpacker(method)(packed)), payload);
        if (payload.length > 1000 && level !== 0) assert.ok(packed.length < payload.length / 10);
      }
    }
  });

  test(`${method}: data cut off anywhere is refused, garbage never hangs`, () => {
    const whole = createPacker(settingsOf({ compression: method }))!(message.repeat(50));
    const unpack = createUnpacker(method, { sizeMax: 100_000 });
    for (let end = 0; end < whole.length; end++) {
      assert.throws(() => unpack(whole.subarray(0, end)), RowError, `${end} of ${whole.length} bytes`);
    }
    const random = new SeededRandom(7);
    for (let round = 0; round < 2000; round++) {
      const garbage = whole.slice();
      for (let i = 0; i < 3; i++) garbage[random.below(garbage.length)] = random.below(256);
      try {
        unpack(garbage);
      } catch (error) {
        assert.ok(error instanceof RowError, String(error));
        assert.equal(error.code, "E501");
      }
    }
  });

  test(`${method}: a bomb is refused before it fills the memory`, () => {
    const bomb = createPacker(settingsOf({ compression: method }))!(new Uint8Array(50_000_000));
    assert.ok(bomb.length < 100_000);
    assert.throws(() => createUnpacker(method, { sizeMax: 1_000_000 })(bomb), {
      message: `Cannot decompress the payload with ${method}: the result is larger than 1000000 bytes`,
    });
  });
}

for (const method of ["gzip", "zstd"] as const) {
  test(`${method}: parts that follow each other are one payload, within one bound`, () => {
    const part = createPacker(settingsOf({ compression: method }))!(message);
    const twice = new Uint8Array([...part, ...part]);
    assert.deepEqual(createUnpacker(method)(twice), new Uint8Array([...bytes, ...bytes]));
    assert.throws(() => createUnpacker(method, { sizeMax: bytes.length * 2 - 1 })(twice), /larger than/);
  });
}

test("zstd: skippable frames are passed over, millions of frames refused", () => {
  const frame = Uint8Array.fromBase64(compressed.zstd);
  const skippable = [0x5e, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3];
  assert.deepEqual(createUnpacker("zstd")(new Uint8Array([...skippable, ...frame, ...skippable])), bytes);
  const many = new Uint8Array(frame.length * 2000);
  for (let i = 0; i < 2000; i++) many.set(frame, i * frame.length);
  assert.throws(() => createUnpacker("zstd")(many), /more than 1024 frames/);
});

test("a level that the method has not is named", () => {
  const settings = settingsOf({ compression: "gzip", compressionProps: { level: 12 } });
  assert.equal(
    refusal(() => createPacker(settings, { path: "actions.0.mqtt" })),
    'E403 actions.0.mqtt.compressionProps.level: Bad value for setting "compressionProps.level": found 12, ' +
      "wanted a whole number from -1 to 9 for gzip",
  );
});

for (const { settings, keySize, hex } of encrypted) {
  const { mode } = settings;
  test(`aes ${mode} with ${keySize} bytes of key: the same bytes as from another library`, () => {
    const packer = createPacker(settingsOf({ encryption: "aes", encProps: settings }), { aesKey: keyOf(keySize) })!;
    assert.equal(packer(message).toHex(), hex);
    assert.equal(packer(bytes).toHex(), hex, "a second payload begins anew");
  });
}

test("aes gcm with 24 bytes of key works or is refused before the first payload", () => {
  const settings = settingsOf({ encryption: "aes", encProps: { mode: "gcm", iv: fixedIv(12), aad: "gateway 7" } });
  try {
    assert.equal(
      createPacker(settings, { aesKey: keyOf(24) })!(message).toHex(),
      "6465666768696a6b6c6d6e6f924ada5e689e221aa7b49a75d8c8b9d3b22b3bea8ee11081a12c26af960cf42f393f27f03e3537d906e706d442205da87bf8585acb3f1ac5346c916001fb69",
    );
  } catch (error) {
    assert.ok(error instanceof DiagnosticError);
    assert.match(error.message, /E408: This engine has no AES in mode gcm with a key of 24 bytes/);
  }
});

for (const mode of ["cfb", "gcm"] as const) {
  test(`aes ${mode}: without iv each payload has its own`, () => {
    const settings = settingsOf({ encryption: "AES", encProps: { mode } });
    const packer = createPacker(settings, { aesKey: keyOf(16) })!;
    const ivs = new Set(Array.from({ length: 1000 }, () => packer("").subarray(0, 12).toHex()));
    assert.equal(ivs.size, 1000);
  });
}

test("compression comes before encryption", () => {
  const settings = settingsOf({ compression: "zstd", encryption: "aes" });
  const long = message.repeat(1000);
  assert.ok(createPacker(settings, { aesKey: keyOf(32) })!(long).length < long.length / 10);
});

test("a missing key and a wrong iv are said", () => {
  const path = "actions.0.mqtt";
  assert.equal(
    refusal(() => createPacker(settingsOf({ encryption: "aes" }), { path })),
    "E404 actions.0.mqtt.encryption: AES Key is not defined",
  );
  for (const [iv, found] of [["AAEC", "3 bytes"], ["*", "a text that is not base64"]]) {
    const settings = settingsOf({ encryption: "aes", encProps: { mode: "gcm", iv } });
    assert.equal(
      refusal(() => createPacker(settings, { path, aesKey: keyOf(16) })),
      `E403 actions.0.mqtt.encProps.iv: Bad value for setting "encProps.iv": found ${found}, wanted the base64 of 12 ` +
        "bytes for gcm",
    );
  }
});
