import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import * as v from "valibot";
import { parse } from "yaml";
import { connectors as entries } from "../../connectors/mod.ts";
import { configSchema } from "../../src/config/schema.ts";
import { ConnectorList } from "../../src/connector/connector_list.ts";
import { temporaryDirectory, weir } from "./fixture.ts";

const connectors = new ConnectorList(entries);
const loadEngine = () => Promise.resolve({ connectors, create: () => assert.fail("no engine is needed") });

async function withFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const { path, cleanUp } = temporaryDirectory();
  try {
    await work(path);
  } finally {
    cleanUp();
  }
}

test("weir config defaults prints a file that changes nothing", async () => {
  const { code, stdout } = await weir(["config", "defaults"], { loadEngine });
  assert.equal(code, 0);
  const { dataDir, ...rest } = parse(stdout);
  assert.equal(typeof dataDir, "string");
  assert.deepEqual(v.parse(configSchema, rest), v.parse(configSchema, {}));
  const json = await weir(["config", "defaults", "--json"], { loadEngine });
  assert.deepEqual(JSON.parse(json.stdout), parse(stdout));
});

test("weir config show prints what holds: the file, over it the environment, without secrets", () =>
  withFolder(async (folder) => {
    const file = join(folder, "weir.yaml");
    writeFileSync(
      file,
      "listen: '[::1]:9000'\nlog: { level: warn }\nrule: { checkpointInterval: 1m }\naesKey: MDEyMzQ1Njc4OWFiY2RlZg==\n" +
        "auth: { adminToken: 0123456789abcdef }\nproperties: { site: north, password: p }\n" +
        "sources: { mqtt: { plant: { server: 'tcp://u:pw@a:1883', password: s3cret, qos: 1 } } }\n",
    );
    const environment = { WEIR__log__level: "debug", WEIR_DATA_DIR: "/var/lib/x" };
    const { code, stdout } = await weir(["config", "show", "-c", file], { loadEngine, environment });
    assert.equal(code, 0);
    const shown = parse(stdout);
    assert.deepEqual(
      [shown.listen, shown.dataDir, shown.log, shown.rule.checkpointInterval, shown.rule.qos],
      ["[::1]:9000", "/var/lib/x", { level: "debug", levels: {}, format: "auto" }, 60_000, 0],
    );
    assert.deepEqual([shown.aesKey, shown.auth.adminToken], ["******", "******"]);
    assert.deepEqual(shown.properties, { site: "north", password: "******" });
    assert.deepEqual(shown.sources.mqtt.plant, { server: "tcp://u:******@a:1883", password: "******", qos: 1 });
    assert.doesNotMatch(stdout, /s3cret|MDEy|0123456789abcdef|:pw@/);
  }));

test("weir config check finds what weir serve would refuse, with its place", () =>
  withFolder(async (folder) => {
    const file = join(folder, "weir.yaml");
    const check = async (text: string, environment: Record<string, string> = {}) => {
      writeFileSync(file, text);
      return await weir(["config", "check", "-c", file], { loadEngine, environment });
    };
    const fine = await check("log: { level: info }\nsources: { mqtt: { plant: { server: 'tcp://a:1883' } } }\n");
    assert.deepEqual([fine.code, fine.stdout, fine.stderr], [0, `${file} is as the agent wants it.\n`, ""]);
    for (
      const [text, error] of [
        ["log: { levle: info }", /E402.*log\.levle[^]*did you mean "level"/],
        ["sources: { mqtt: { plant: { qso: 1 } } }", /E402.*qso[^]*did you mean "qos"/],
        ["sources: { mqqt: { plant: {} } }", /E405.*mqqt[^]*did you mean "mqtt"/],
        ["sink: { bufferPageSize: 256, memoryCacheThreshold: 100 }", /E403/],
        [`tls: { certFile: ${folder}/none.pem, keyFile: k }`, /[Cc]annot read .*none\.pem/],
        [`source: { httpServerTls: { certfile: ${folder}/none.pem, keyfile: k } }`, /[Cc]annot read .*none\.pem/],
        [`ekuiperDir: ${folder}/etc`, /etc/],
        ["a: [", /E401/],
      ] as const
    ) {
      const { code, stderr, stdout } = await check(text);
      assert.deepEqual([code, stdout], [1, ""], text);
      assert.match(stderr, error, text);
    }
    const named = await check("{}", { WEIR__log__level: "loud" });
    assert.match(named.stderr, /WEIR__log__level/);
    const missing = await weir(["config", "check", "-c", join(folder, "none.yaml")], { loadEngine });
    assert.match(missing.stderr, /E401: Cannot read/);
  }));

test("weir config show has the settings of an eKuiper too", () =>
  withFolder(async (folder) => {
    mkdirSync(join(folder, "etc"));
    writeFileSync(join(folder, "etc/mqtt_source.yaml"), "plant:\n  server: tcp://a:1883\n  strange: 1\n");
    const file = join(folder, "weir.yaml");
    writeFileSync(file, `ekuiperDir: ${join(folder, "etc")}\nsources: { mqtt: { plant: { qos: 2 } } }\n`);
    const { stdout, stderr } = await weir(["config", "show", "-c", file], { loadEngine });
    assert.deepEqual(parse(stdout).sources.mqtt.plant, { server: "tcp://a:1883", qos: 2 });
    assert.match(stderr, /left out.*strange/);
  }));

test("verbs of the file take nothing more, and near misses are named", async () => {
  const extra = await weir(["config", "check", "mqtt"], { loadEngine });
  assert.match(extra.stderr, /takes its file as -c FILE/);
  const other = await weir(["config", "show", "-f", "weir.yaml"], { loadEngine });
  assert.deepEqual([other.code, other.stdout], [2, ""]);
  assert.match(other.stderr, /takes its file as -c FILE/);
  const more = await weir(["config", "defaults", "x"], { loadEngine });
  assert.match(more.stderr, /unexpected "x"/);
  const near = await weir(["config", "shwo"], { loadEngine });
  assert.match(near.stderr, /did you mean "show"/);
});
