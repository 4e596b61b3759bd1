import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { DiagnosticError } from "../diagnostics/diagnostic.ts";
import { renderError } from "../diagnostics/render.ts";
import { defaultDataDir } from "./default_data_dir.ts";
import { environmentValue } from "./environment.ts";
import { type ConfigSources, loadConfig } from "./load.ts";
import { type AgentConfig, parseListen } from "./schema.ts";

async function load(yaml: string | undefined, sources: Omit<ConfigSources, "file"> = {}): Promise<AgentConfig> {
  const directory = mkdtempSync(join(tmpdir(), "weir-config-"));
  try {
    const file = join(directory, "weir.yaml");
    writeFileSync(file, yaml ?? "");
    return (await loadConfig({ ...sources, file })).config;
  } finally {
    rmSync(directory, { recursive: true });
  }
}

async function refusal(yaml: string, sources: Omit<ConfigSources, "file"> = {}): Promise<string> {
  try {
    await load(yaml, sources);
  } catch (error) {
    assert.ok(error instanceof DiagnosticError, String(error));
    return renderError(error, "weir.yaml");
  }
  assert.fail("expected a DiagnosticError");
}

test("an empty file gives the defaults", async () => {
  assert.deepEqual(await load(""), {
    listen: { hostname: "127.0.0.1", port: 9081 },
    log: { level: "info", levels: {}, format: "auto" },
    timezone: "Local",
    network: { privateAddresses: "allow", allow: [] },
    properties: {},
    ignoreCase: false,
    reportedVersion: "2.4.0",
    cors: { allowOrigins: [] },
    auth: { mode: "auto", audience: "eKuiper", openMetrics: false },
    policies: [],
    secrets: { dirs: ["/etc/weir/secrets"], envPrefix: "WEIR_SECRET_" },
    limits: { requestBodyBytesMax: 8388608 },
    rule: {
      qos: 0,
      durability: "process",
      checkpointInterval: 300000,
      sendError: false,
      bufferLength: 1024,
      concurrency: 1,
      lateTolerance: 1000,
      stateBytesMax: 134217728,
      batchTimeMax: 10000,
    },
    sink: {
      enableCache: false,
      memoryCacheThreshold: 1024,
      maxDiskCache: 1024000,
      bufferPageSize: 256,
      resendInterval: 0,
      cleanCacheAtStop: false,
      resendAlterQueue: false,
      resendPriority: 0,
    },
    rulePatrolInterval: 10000,
    audit: { keep: 31_536_000_000 },
    source: { httpServerIp: "0.0.0.0", httpServerPort: 10081 },
    tracing: {
      protocol: "http/json",
      sampler: "always",
      ratio: 1,
      serviceName: "weir",
      resourceAttributes: {},
      batchSize: 512,
      batchDelay: 5000,
      queueSize: 4096,
      timeout: 10_000,
      exportData: false,
      tracesMax: 2048,
      bytesMax: 2_097_152,
      perSecondMax: 500,
    },
    sources: {},
    sinks: {},
    connections: {},
  });
  assert.deepEqual(await load("log:\n"), await load(""));
});

test("a file sets everything", async () => {
  const config = await load(`
listen: "[::1]:9999"
dataDir: /tmp/x
log: { level: debug, format: json }
timezone: Europe/Berlin
properties: { site: north, line: 7 }
ignoreCase: false
reportedVersion: 2.5.0
cors: { allowOrigins: ["https://ui.example"] }
tls: { certFile: c.pem, keyFile: k.pem }
limits: { requestBodyBytesMax: 4096 }
rule: { qos: 1, lateTolerance: 2s, checkpointInterval: 1m }
sink: { enableCache: true, memoryCacheThreshold: 512, resendInterval: 2s, resendPriority: -1 }
rulePatrolInterval: 1s
sources: { mqtt: { default: { server: "tcp://a:1883" }, plant: { qos: 2 } } }
connections: { mqtt: { cloud: { server: "ssl://b" } } }
`);
  assert.deepEqual(config.listen, { hostname: "::1", port: 9999 });
  assert.deepEqual(config.log, { level: "debug", levels: {}, format: "json" });
  assert.deepEqual(config.properties, { site: "north", line: 7 });
  assert.equal(config.rule.lateTolerance, 2000);
  assert.equal(config.rule.checkpointInterval, 60000);
  assert.deepEqual(
    [config.sink.enableCache, config.sink.memoryCacheThreshold, config.sink.resendInterval, config.sink.resendPriority],
    [true, 512, 2000, -1],
  );
  assert.equal(config.rulePatrolInterval, 1000);
  assert.deepEqual(config.sources.mqtt!.plant, { qos: 2 });
  assert.deepEqual(config.connections.mqtt!.cloud, { server: "ssl://b" });
});

test("unknown settings are reported with place and nearest name, all at once", async () => {
  assert.equal(
    await refusal('lisen: "127.0.0.1:1"\nlog:\n  levle: info\n'),
    `E402: Unknown setting "lisen"
 --> weir.yaml:1:1
1 | lisen: "127.0.0.1:1"
  | ^^^^^ did you mean "listen"?
E402: Unknown setting "log.levle"
 --> weir.yaml:3:3
3 |   levle: info
  |   ^^^^^ did you mean "level"?`,
  );
});

test("bad values are reported at their place", async () => {
  const cases: [string, RegExp][] = [
    ["listen: here", /^E403: Bad value of "listen": expected HOST:PORT, .* found "here"\n --> weir\.yaml:1:9\n/],
    [
      "log: { level: loud }",
      /^E403: Bad value of "log\.level": expected one of debug, info, warn, error, found "loud"/,
    ],
    ["timezone: Mars/Base", /expected an IANA time zone/],
    ["rule: { qos: 3 }", /"rule\.qos": expected one of 0, 1, 2, found 3/],
    ["rule: { lateTolerance: soon }", /"rule\.lateTolerance": expected milliseconds or a duration/],
    ["rulePatrolInterval: 999ms", /"rulePatrolInterval": expected at least a second/],
    ["rulePatrolInterval: often", /"rulePatrolInterval": expected milliseconds or a duration/],
    ["rule: { bufferLength: 0 }", /expected a whole number from 1 on/],
    ["sink: { bufferPageSize: 0 }", /"sink\.bufferPageSize": expected a whole number from 1 on/],
    ["sink: { resendPriority: 2 }", /"sink\.resendPriority": expected one of -1, 0, 1, found 2/],
    ["sink: { enableCahce: true }", /^E402: Unknown setting "sink\.enableCahce"\n[^]*did you mean "enableCache"\?/],
    ["properties: { site: [north] }", /"properties\.site": expected a text, a number, true or false/],
    ["ignoreCase: 7", /expected true or false/],
    ["tls: { certFile: a }", /^E404: Missing setting "tls\.keyFile"/],
    ["sources: { mqtt: 5 }", /^E403: Bad value of "sources\.mqtt": expected keys with settings/],
  ];
  for (const [yaml, expected] of cases) assert.match(await refusal(yaml), expected);
});

test("text that is not YAML is E401 with its place", async () => {
  assert.match(await refusal("log:\n\tlevel: info"), /^E401: Not valid YAML: .*\n --> weir\.yaml:2:1\n/);
  assert.match(await refusal("- a\n- b\n"), /^E401: A configuration file holds sections/);
  assert.match(await refusal("listen: a:1\nlisten: b:2\n"), /^E401: /);
});

test("a file that expands without end is refused", async () => {
  const levels = Array.from({ length: 9 }, (_, i) => `l${i + 1}: &l${i + 1} [${`*l${i},`.repeat(9)}]`);
  assert.match(await refusal(["l0: &l0 [x]", ...levels].join("\n")), /^E401: Not valid YAML: /);
});

test("a file that was asked for must exist", async () => {
  await assert.rejects(loadConfig({ file: "/nosuch/weir.yaml" }), /E401: Cannot read .*"\/nosuch\/weir\.yaml"/);
  await assert.rejects(loadConfig({ environment: { WEIR_CONFIG: "/nosuch/w.yaml" } }), /E401/);
});

test("the environment overrides the file, flags override both", async () => {
  const yaml = "listen: a:1\nlog: { level: info, format: json }\nsources: { mqtt: { default: { qos: 1 } } }\n";
  const environment = {
    WEIR_LISTEN: "b:2",
    WEIR_DATA_DIR: "/data",
    WEIR__LOG__LEVEL: "debug",
    WEIR__rule__buffer_length: undefined,
    WEIR__rule__bufferlength: "64",
    WEIR__sources__mqtt__default__server: "tcp://c:1883",
    OTHER: "x",
  };
  const config = await load(yaml, { environment });
  assert.deepEqual(config.listen, { hostname: "b", port: 2 });
  assert.equal(config.dataDir, "/data");
  assert.deepEqual(config.log, { level: "debug", levels: {}, format: "json" });
  assert.equal(config.rule.bufferLength, 64);
  assert.deepEqual(config.sources.mqtt!.default, { qos: 1, server: "tcp://c:1883" });
  const flags = [{ path: ["listen"], value: "c:3", origin: "--listen" }];
  assert.deepEqual((await load(yaml, { environment, flags })).listen, { hostname: "c", port: 3 });
});

test("a mistake in the environment or a flag names its origin", async () => {
  assert.equal(
    await refusal("log: { level: info }", { environment: { WEIR__log__level: "loud" } }),
    'E403: Bad value of "log.level": expected one of debug, info, warn, error, found "loud"\n' +
      " --> weir.yaml: WEIR__log__level (log.level)",
  );
  assert.match(
    await refusal("", { environment: { WEIR__log__levle: "x" } }),
    /^E402: Unknown setting "log\.levle"\n --> .*WEIR__log__levle.*\n {2}hint: did you mean "level"\?$/,
  );
  assert.match(
    await refusal("", { flags: [{ path: ["listen"], value: "x", origin: "--listen" }] }),
    /--listen \(listen\)/,
  );
});

test("environmentValue() sees numbers, booleans and lists", () => {
  assert.deepEqual(["5", "-1.5", "true", "[a, 2]", '["x"]', '{"a":1}', "1s", "[", ""].map(environmentValue), [
    5,
    -1.5,
    true,
    ["a", 2],
    ["x"],
    { a: 1 },
    "1s",
    "[",
    "",
  ]);
});

test("parseListen() takes host and port", () => {
  assert.deepEqual(parseListen("localhost:0"), { hostname: "localhost", port: 0 });
  assert.deepEqual(parseListen("[::]:80"), { hostname: "::", port: 80 });
  for (const bad of ["", ":9081", "9081", "a:b", "a:70000", "::1:80", "a b:1", "http://a:1"]) {
    assert.equal(parseListen(bad), undefined, bad);
  }
});

test("defaultDataDir() falls back to a folder of the user's and says so", () => {
  assert.deepEqual(defaultDataDir({}, () => true), { path: "/var/lib/weir" });
  const reason = "/var/lib/weir is not writable";
  assert.deepEqual(defaultDataDir({ HOME: "/home/u" }, () => false), { path: "/home/u/.local/state/weir", reason });
  assert.deepEqual(defaultDataDir({ XDG_STATE_HOME: "/s", HOME: "/h" }, () => false), { path: "/s/weir", reason });
  assert.deepEqual(defaultDataDir({}, () => false), { path: ".weir", reason });
});

test("aesKey is base64 of a key of AES, and no message shows what it is", async () => {
  assert.deepEqual(
    (await load("aesKey: AAECAwQFBgcICQoLDA0ODw==")).aesKey,
    Uint8Array.from({ length: 16 }, (_, i) => i),
  );
  for (const key of ["c2VjcmV0LWtleQ==", "secret-key!", "12345"]) {
    for (const text of [await refusal(`aesKey: ${key}`), await refusal("", { environment: { WEIR__AESKEY: key } })]) {
      assert.match(text, /E403: Bad value of "aesKey": expected (the base64 of 16, 24 or 32 bytes|text)/);
      assert.ok(!text.includes(key), text);
    }
  }
});

test("network takes hosts, addresses and networks as exceptions, and nothing else", async () => {
  const { network } = await load(
    "network: {privateAddresses: refuse, allow: [light.local, 10.0.0.0/8, ::1, fd00::/8]}",
  );
  assert.deepEqual(network, { privateAddresses: "refuse", allow: ["light.local", "10.0.0.0/8", "::1", "fd00::/8"] });
  assert.deepEqual((await load("")).network, { privateAddresses: "allow", allow: [] });
  for (const entry of ["10.0.0.0/33", "fd00::/129", "10.0.0.0/8/8", "light.local/8", "http://a"]) {
    assert.match(await refusal(`network: {allow: ["${entry}"]}`), /expected a host, an address or a network/, entry);
  }
});
