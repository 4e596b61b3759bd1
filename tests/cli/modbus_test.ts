/**
 * `weir modbus` against a slave that others have written.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { loadPlatform } from "../../src/platform/mod.ts";
import type { Platform } from "../../src/platform/platform.ts";
import { eventually } from "../eventually.ts";
import { freePort, type Slave, startSlave } from "../peers/modbus_slave.ts";
import { startWire } from "../peers/serial_wire.ts";
import { type Outcome, weir } from "./fixture.ts";

async function withSlave(
  work: (run: (args: string) => Promise<Outcome>, slave: Slave) => Promise<void>,
  options: Parameters<typeof startSlave>[0] = { units: [1, 2] },
): Promise<void> {
  const slave = await startSlave(options);
  const server = `${options?.framing === "rtu" ? "rtu+tcp" : "tcp"}://127.0.0.1:${slave.port}`;
  try {
    await work((args) => weir(["modbus", ...args.replace("SERVER", server).split(" ")]), slave);
  } finally {
    await slave.kill();
  }
}

test("weir modbus read shows values of all kinds", () =>
  withSlave(async (run) => {
    assert.deepEqual(await run("read SERVER holding 5"), {
      code: 0,
      stdout: "UNIT  REGISTER  ADDRESS  TYPE    VALUE  RAW\n1     holding   5        uint16  10005  2715\n",
      stderr: "",
    });
    const { stdout } = await run("read SERVER input 8 --count 2 --unit 1,2 --base 1 --scale 0.1");
    assert.equal(
      stdout,
      "UNIT  REGISTER  ADDRESS  TYPE    VALUE   RAW\n" +
        "1     input     8        uint16  1100.7  2aff\n" +
        "1     input     9        uint16  1100.8  2b00\n" +
        "2     input     8        uint16  2100.7  520f\n" +
        "2     input     9        uint16  2100.8  5210\n",
    );
    assert.match((await run("read SERVER coil 3")).stdout, /1 +coil +3 +bool +true +1\n/);
    assert.match((await run("read SERVER holding 0 bit --bit 4")).stdout, /bit +true +2710\n/);
    assert.match((await run("read SERVER holding 0 string --length 2")).stdout, /string +"'\\u0010" +2710\n/);
  }));

test("weir modbus read tries all orders of bytes", () =>
  withSlave(async (run) => {
    await run("write SERVER holding 10 float32 21.5 --order CDAB");
    const { stdout } = await run("read SERVER holding 10 float32 --order all");
    const lines = stdout.split("\n").slice(1, -1);
    assert.deepEqual(lines.map((line) => line.split(/ {2,}/)[3]), [
      "float32 ABCD",
      "float32 CDAB",
      "float32 BADC",
      "float32 DCBA",
    ]);
    assert.match(lines[1]!, /float32 CDAB +21\.5 +0000 41ac$/);
  }));

test("weir modbus read gives JSON, and 1 when a value is missing", () =>
  withSlave(async (run) => {
    const { code, stdout, stderr } = await run("read SERVER holding 199 --count 2 --json");
    assert.equal(code, 1);
    assert.equal(stderr, "");
    const rows = stdout.trim().split("\n").map((line) => JSON.parse(line));
    const { time, ...rest } = rows[0];
    assert.ok(Math.abs(Date.parse(time) - Date.now()) < 60_000);
    assert.deepEqual(rest, {
      unit: 1,
      register: "holding",
      address: 199,
      type: "uint16",
      value: 10_199,
      raw: [10_199],
    });
    assert.equal(rows[1].value, null);
    assert.equal(rows[1].error, "the device does not have such an address (exception 2)");
    const table = await run("read SERVER holding 199 --count 2");
    assert.match(table.stdout, /200 +uint16 +- +the device does not have such an address \(exception 2\)\n$/);
  }));

test("weir modbus read again and again survives a slave that goes and comes back", () =>
  withSlave(async (run, slave) => {
    const reading = run("read SERVER holding 5 --interval 100ms --times 40 --timeout 300ms");
    await new Promise((done) => setTimeout(done, 1000));
    await slave.kill();
    await new Promise((done) => setTimeout(done, 500));
    await slave.start();
    const { code, stdout } = await reading;
    const lines = stdout.split("\n").slice(1, -1);
    assert.equal(lines.length, 40);
    assert.equal(code, 0, "the last is good");
    assert.match(lines[0]!, /^\d\d:\d\d:\d\d\.\d{3} +1 +holding +5 +uint16 +10005 +2715$/);
    assert.ok(lines.some((line) => / - +\S/.test(line)), stdout);
    assert.match(lines.at(-1)!, /10005 +2715$/);
  }));

test("weir modbus read ends with 0 at Ctrl-C", () =>
  withSlave(async (_run, slave) => {
    const platform = Object.create(await loadPlatform()) as Platform;
    let interrupt = () => {};
    Object.defineProperty(platform, "onTerminate", {
      value: (handler: (signal: "SIGINT") => void) => {
        interrupt = () => handler("SIGINT");
        return () => {};
      },
    });
    let stdout = "";
    const args = ["modbus", "read", `127.0.0.1:${slave.port}`, "holding", "5", "--interval", "20ms"];
    const ended = weir(args, { platform, stdout: (text) => void (stdout += text) });
    await eventually(() => stdout.split("\n").length > 4);
    interrupt();
    assert.equal((await ended).code, 0);
  }));

test("weir modbus write shows what was there, and what is there now", () =>
  withSlave(async (run) => {
    assert.deepEqual(await run("write SERVER holding 7 int16 -3 --unit 2"), {
      code: 0,
      stdout: "UNIT  REGISTER  ADDRESS  TYPE   BEFORE  WRITTEN  AFTER\n" +
        "2     holding   7        int16  20007   -3       -3\n",
      stderr: "",
    });
    assert.match((await run("write SERVER coil 1 on")).stdout, /coil +1 +bool +false +true +true\n$/);
    assert.match((await run("write SERVER holding 20 1 0x10 3 --multiple")).stdout, /21 +uint16 +10021 +16 +16\n/);
    assert.match((await run("write SERVER holding 30 float32 21.3")).stdout, /float32 +\S+ +21\.3 +21\.3\n$/);
    assert.match((await run("write SERVER holding 40 bit off --bit 3")).stdout, /bit +true +false +false\n$/);
    assert.match((await run("write SERVER holding 50 string pump --length 8")).stdout, /"pump" +"pump"\n$/);
    assert.match((await run("write SERVER holding 60 bcd16 1234 --no-verify")).stdout, /not read +1234 +not read\n$/);
    const json = JSON.parse((await run("write SERVER holding 7 5 --unit 1,2 --json")).stdout.split("\n")[1]!);
    assert.deepEqual(json, {
      unit: 2,
      register: "holding",
      address: 7,
      type: "uint16",
      before: 65_533,
      written: 5,
      after: 5,
    });
  }));

test("weir modbus write says why it could not", () =>
  withSlave(async (run) => {
    const refused = await run("write SERVER holding 300 uint16 1");
    assert.equal(refused.code, 1);
    assert.equal(refused.stderr, "weir: the device does not have such an address (exception 2)\n");
    const silent = await run("write SERVER holding 3 1 --unit 9 --timeout 200ms --no-verify");
    assert.equal(silent.code, 1);
    assert.equal(silent.stderr, "weir: unit 9 does not answer within 200 ms\n");
    const tooLarge = await run("write SERVER holding 3 uint16 70000");
    assert.equal(tooLarge.code, 1);
    assert.match(tooLarge.stderr, /Cannot write 70000 as a uint16: wanted a whole number from 0 to 65535/);
  }));

test("weir modbus write to all units of an RTU line reads nothing", () =>
  withSlave(async (run) => {
    assert.match((await run("write SERVER holding 3 77 --unit 0")).stdout, /not read +77 +not read\n$/);
    const { stdout } = await run("read SERVER holding 3 --unit 1-2");
    assert.match(stdout, /\n1 .* 77 .*\n2 .* 77 /);
  }, { units: [1, 2], framing: "rtu" }));

test("weir modbus scan finds units", () =>
  withSlave(async (run) => {
    const { code, stdout } = await run("scan SERVER --unit 1-5 --timeout 200ms");
    assert.equal(code, 0);
    const [heading, ...lines] = stdout.split("\n");
    assert.match(heading!, /^UNIT +TIME +HOLDING 0 +INPUT 0 +COIL 0 +DISCRETE 0$/);
    assert.match(lines[0]!, /^2 +\d+ ms +20000 +21000 +1 +1$/);
    assert.match(lines[1]!, /^4 +\d+ ms +40000 +41000 +1 +1$/);
    assert.equal(lines[2], "2 of 5 units answer.");
    const at = await run("scan SERVER --unit 2 --at 200 --json");
    const { ms, ...rest } = JSON.parse(at.stdout);
    assert.ok(ms > 0);
    const exception = { exception: 2 };
    assert.deepEqual(rest, { unit: 2, holding: exception, input: exception, coil: exception, discrete: exception });
    const nobody = await run("scan SERVER --unit 9,11 --timeout 100ms");
    assert.equal(nobody.code, 1);
    assert.equal(nobody.stdout, "0 of 2 units answer.\n");
  }, { units: [2, 4] }));

test("weir modbus scan finds the registers that a unit has", () =>
  withSlave(async (run) => {
    const { code, stdout } = await run("scan SERVER holding 150-420");
    assert.equal(code, 0);
    assert.equal(
      stdout,
      "UNIT  REGISTER  ADDRESSES  COUNT  VALUES\n" +
        "1     holding   150-199    50     10150 10151 10152 10153 10154 10155 10156 10157 …\n" +
        "50 of 271 addresses are there.\n",
    );
    const coils = JSON.parse((await run("scan SERVER coil 199-202 --base 1 --json")).stdout);
    assert.deepEqual(coils, { unit: 1, register: "coil", first: 199, last: 200, values: [1, 0] });
    const silent = await run("scan SERVER holding --unit 7 --timeout 100ms");
    assert.equal(silent.code, 1);
    assert.match(silent.stderr, /unit 7 does not answer within 100 ms/);
  }));

test("weir modbus speaks RTU on a serial line", async () => {
  const wire = await startWire();
  const slave = await startSlave({ serial: wire.theirs, framing: "rtu", units: [3] });
  try {
    const line = ["--baud", "115200", "--unit", "3"];
    const read = await weir(["modbus", "read", wire.ours, "holding", "5", "uint32", ...line]);
    assert.match(read.stdout, /holding +5 +uint32 +1966437686 +7535 7536\n/);
    const written = await weir(["modbus", "write", wire.ours, "coil", "1", "on", ...line]);
    assert.match(written.stdout, /false +true +true\n$/);
    const found = await weir(["modbus", "scan", wire.ours, "--baud", "115200", "--unit", "2-4"]);
    assert.match(found.stdout, /\n3 .*\n1 of 3 units answers\.\n$/);
  } finally {
    await slave.kill();
    await wire.stop();
  }
});

test("weir modbus says that nobody is there", async () => {
  const port = await freePort();
  for (const args of [`read 127.0.0.1:${port} coil 1`, `scan tcp://127.0.0.1:${port}`]) {
    const { code, stdout, stderr } = await weir(["modbus", ...args.split(" ")]);
    assert.equal(code, 1);
    assert.equal(stdout, "");
    assert.match(stderr, /^weir: 127\.0\.0\.1:\d+: .*(refused|REFUSED)/);
  }
});

const wrong: readonly (readonly [string, RegExp])[] = [
  ["", /what shall be done is missing: one of scan, read, write/],
  ["reed h coil 1", /unknown action "reed", did you mean "read"\?/],
  ["read", /the server, such as tcp:\/\/192\.168\.1\.20:502 is missing/],
  ["read h", /the kind of register is missing/],
  ["read h holdin 1", /unknown kind of register "holdin".*did you mean "holding"\?/],
  ["read h holding", /the address is missing/],
  ["read h holding x", /the address "x": expected a whole number from 0 to 65535/],
  ["read h holding 0 --base 1", /the address "0": expected a whole number from 1 to 65536/],
  ["read h holding 1 floot32", /"tags\.0\.type".*found "floot32", wanted bool, bit, int16/],
  ["read h holding 1 string", /wanted the bytes of the string/],
  ["read h coil 1 int16", /wanted bool, as a coil is one bit/],
  ["read h holding 65535 int32", /ends behind the last register/],
  ["read h holding 1 --unit 300", /--unit "300": expected ids up to 255/],
  ["read h holding 1 --unit 5-2", /--unit "5-2"/],
  ["read h holding 1 --order ABDC", /--order "ABDC": expected ABCD, CDAB, BADC, DCBA, all/],
  ["read h holding 1 --times 3", /--times needs --interval/],
  ["read h holding 1 --interval soon", /--interval "soon": expected a duration/],
  ["read h holding 1 --count 0", /--count "0": expected a whole number from 1/],
  ["read h holding 1 int16 7", /unexpected "7"/],
  ["read ftp://h holding 1", /"server".*found "ftp:\/\/h", wanted tcp:\/\/host:port/],
  ["read h holding 1 --parity some", /"parity".*found "some", wanted none, even or odd/],
  ["write h holding 1", /the value is missing/],
  ["write h input 1 5", /registers of kind input can only be read/],
  ["write h coil 1 7", /"7" is neither on nor off/],
  ["write h holding 1 uint16 high", /"high" is no whole number/],
  ["write h holding 1 5 --order all", /--order "ALL": expected ABCD, CDAB, BADC, DCBA\n/],
  ["scan h holding 9-3", /ends before it begins/],
];

for (const [args, expected] of wrong) {
  test(`weir modbus ${args} ends with 2`, async () => {
    const { code, stdout, stderr } = await weir(["modbus", ...args.split(" ").filter((each) => each !== "")]);
    assert.match(stderr, expected);
    assert.equal(code, 2);
    assert.equal(stdout, "");
  });
}
