/**
 * The settings of an agent: what `weir.yaml` may hold, with every default in one place.
 * @module
 */
import { isIP } from "node:net";
import * as v from "valibot";
import type { LogLevel } from "../connector/context.ts";
import { parseGoDuration } from "../value/go_duration.ts";

export const logLevels = ["debug", "info", "warn", "error"] as const satisfies readonly LogLevel[];
export const logFormats = ["auto", "human", "logfmt", "json"] as const;

/** An address to listen on. */
export interface ListenAddress {
  readonly hostname: string;
  readonly port: number;
}

/** `127.0.0.1:9081`, `localhost:0`, `[::1]:9081`; undefined when it is none. */
export function parseListen(text: string): ListenAddress | undefined {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:\[\]\s/]+)):([0-9]{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port > 65535) return undefined;
  return { hostname: match[1] ?? match[2]!, port };
}

function isTimezone(zone: string): boolean {
  if (zone === "Local") return true;
  try {
    new Intl.DateTimeFormat("en", { timeZone: zone });
    return true;
  } catch {
    return false;
  }
}

const listen = v.pipe(
  v.string(),
  v.check((text) => parseListen(text) !== undefined, "expected HOST:PORT, such as 127.0.0.1:9081 or [::1]:9081"),
  v.transform((text) => parseListen(text)!),
);

/** The name of a host, an address, or a network; what it means is up to those who look addresses up in it. */
function isNetworkEntry(text: string): boolean {
  const [address, bits, ...others] = text.split("/");
  const version = isIP(address!);
  if (bits === undefined) return version !== 0 || /^[a-z0-9_]([a-z0-9._-]*[a-z0-9])?$/i.test(text);
  return others.length === 0 && /^\d{1,3}$/.test(bits) &&
    Number(bits) <= (version === 4 ? 32 : version === 6 ? 128 : -1);
}

/** What OTLP is exported with. */
const protocols = ["http/json", "http/protobuf"] as const;

/** A collector; `http://` may be left out. */
function isEndpoint(text: string): boolean {
  const url = URL.parse(/^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`);
  return url !== null && ["http:", "https:"].includes(url.protocol) && url.hostname !== "";
}

const wholeNumber = v.pipe(v.number("expected a whole number"), v.integer("expected a whole number"));

function atLeast(minimum: number) {
  return v.pipe(wholeNumber, v.minValue(minimum, `expected a whole number from ${minimum} on`));
}

const durationText = 'expected milliseconds or a duration such as "10s"';

/** Milliseconds, or a Go duration. */
const durationMs = v.pipe(
  v.union([v.number(), v.string()], durationText),
  v.transform((value) => typeof value === "number" ? value : parseGoDuration(value) ?? NaN),
  v.check((ms) => ms >= 0, durationText),
);

const bool = v.boolean("expected true or false");
const text = v.string("expected text");

function oneOf<const Names extends readonly (string | number)[]>(names: Names) {
  return v.picklist(names, `expected one of ${names.join(", ")}`);
}

/** The message never shows what was found. */
const aesKey = v.pipe(
  text,
  v.check((key) => bytesOfKey(key) !== undefined, "expected the base64 of 16, 24 or 32 bytes"),
  v.transform((key) => bytesOfKey(key)!),
);

function bytesOfKey(base64: string): Uint8Array | undefined {
  try {
    const bytes = Uint8Array.fromBase64(base64);
    return [16, 24, 32].includes(bytes.length) ? bytes : undefined;
  } catch {
    return undefined;
  }
}

/** Type → key → settings. */
const namedSettings = v.record(
  v.string(),
  v.record(v.string(), v.record(v.string(), v.unknown(), "expected settings"), "expected keys with settings"),
  "expected connector types",
);

/** Defaults of rule options; the meaning of each is that of the option in a rule. */
const rule = v.strictObject({
  qos: v.optional(oneOf([0, 1, 2]), 0),
  durability: v.optional(oneOf(["process", "power"]), "process"),
  checkpointInterval: v.optional(durationMs, 300_000),
  sendError: v.optional(bool, false),
  bufferLength: v.optional(atLeast(1), 1024),
  concurrency: v.optional(atLeast(1), 1),
  lateTolerance: v.optional(durationMs, 1000),
  stateBytesMax: v.optional(atLeast(0), 128 * 1024 * 1024),
  batchTimeMax: v.optional(durationMs, 10_000),
});

/**
 * Defaults of what actions keep while their sink is away. How the numbers must go together is checked with the actions,
 * which may set some of them.
 */
const sink = v.strictObject({
  enableCache: v.optional(bool, false),
  memoryCacheThreshold: v.optional(atLeast(1), 1024),
  maxDiskCache: v.optional(atLeast(0), 1_024_000),
  bufferPageSize: v.optional(atLeast(1), 256),
  resendInterval: v.optional(durationMs, 0),
  cleanCacheAtStop: v.optional(bool, false),
  resendAlterQueue: v.optional(bool, false),
  resendPriority: v.optional(oneOf([-1, 0, 1]), 0),
});

/** A client's certificate and the role of its holder. */
const clientRole = v.pipe(
  v.strictObject({
    /** `*` stands for any text. */
    commonName: v.optional(v.pipe(text, v.nonEmpty("expected a name"))),
    alternativeName: v.optional(v.pipe(text, v.nonEmpty("expected a name"))),
    fingerprint: v.optional(v.pipe(text, v.regex(/^([0-9a-f]{2}:?){31}[0-9a-f]{2}$/i, "expected a SHA-256 in hex"))),
    role: oneOf(["viewer", "operator", "editor", "admin"]),
    name: v.optional(v.pipe(text, v.nonEmpty("expected a name"))),
  }),
  v.check(
    ({ commonName, alternativeName, fingerprint }) =>
      commonName !== undefined || alternativeName !== undefined || fingerprint !== undefined,
    "expected commonName, alternativeName or fingerprint",
  ),
);

/** Which messages of traced rules are traced, and where that is sent. */
const tracing = v.strictObject({
  endpoint: v.optional(v.pipe(text, v.check(isEndpoint, "expected a URL such as http://localhost:4318"))),
  protocol: v.optional(oneOf(protocols), "http/json"),
  headers: v.optional(v.record(v.string(), text, "expected texts by name")),
  sampler: v.optional(oneOf(["always", "parent", "ratio"]), "always"),
  ratio: v.optional(
    v.pipe(v.number("expected a number from 0 to 1"), v.minValue(0), v.maxValue(1, "expected a number from 0 to 1")),
    1,
  ),
  serviceName: v.optional(v.pipe(text, v.nonEmpty("expected a name")), "weir"),
  resourceAttributes: v.optional(
    v.record(v.string(), v.union([text, v.number(), bool], "expected a text, a number, true or false")),
    {},
  ),
  batchSize: v.optional(atLeast(1), 512),
  batchDelay: v.optional(durationMs, 5000),
  queueSize: v.optional(atLeast(1), 4096),
  timeout: v.optional(v.pipe(durationMs, v.minValue(1, "expected at least a millisecond")), 10_000),
  exportData: v.optional(bool, false),
  tracesMax: v.optional(atLeast(1), 2048),
  bytesMax: v.optional(atLeast(1024), 2 * 1024 * 1024),
  perSecondMax: v.optional(atLeast(1), 500),
  tls: v.optional(v.strictObject({
    caFile: v.optional(text),
    certFile: v.optional(text),
    keyFile: v.optional(text),
    insecureSkipVerify: v.optional(bool, false),
  })),
});

export const dataServerPortDefault = 10_081;

/** The data server, on which connectors serve paths while a rule uses them. */
const source = v.strictObject({
  httpServerIp: v.optional(v.pipe(text, v.nonEmpty("expected an address or name of this machine")), "0.0.0.0"),
  /** Numbers that are no port give the default, as eKuiper has it. */
  httpServerPort: v.optional(wholeNumber, dataServerPortDefault),
  httpServerTls: v.optional(v.strictObject({ certfile: text, keyfile: text })),
});

const patternValue = v.union(
  [v.string(), v.number(), v.boolean(), v.array(v.union([v.string(), v.number(), v.boolean()]))],
  "expected a text, a number, true, false, or a list of these",
);

/** Of each access, patterns by the names of settings. */
const resources = v.optional(v.strictObject({
  read: v.optional(v.array(v.record(v.string(), patternValue, "expected settings with what they may be"))),
  write: v.optional(v.array(v.record(v.string(), patternValue, "expected settings with what they may be"))),
}));

const policy = v.strictObject({
  /** What refusals call it. */
  name: v.pipe(text, v.nonEmpty("expected a name")),
  principals: v.pipe(
    v.array(
      v.pipe(
        text,
        v.regex(
          /^(\*|(user|token|jwt|certificate|local|files|role):.+)$/,
          'expected "*", or a kind and a name such as user:ada, token:*, role:editor',
        ),
      ),
      "expected a list of principals",
    ),
    v.minLength(1, "expected at least one principal"),
  ),
  allow: resources,
  deny: resources,
});

const modulePattern = /^(rule|connector|stream|table|trial)\.[^\s]{1,256}$/;
const modulesText = 'expected a module such as "rule.r1" or "connector.*"';

export const configSchema = v.strictObject({
  /** Where the admin interface listens. */
  listen: v.optional(listen, "127.0.0.1:9081"),
  /** Undefined: chosen by `defaultDataDir`. */
  dataDir: v.optional(v.pipe(text, v.nonEmpty("expected a path"))),
  /** The folder whose files hold streams, tables and rules. */
  rulesDir: v.optional(v.pipe(text, v.nonEmpty("expected a path"))),
  log: v.optional(
    v.strictObject({
      level: v.optional(oneOf(logLevels), "info"),
      /** Of parts: `rule.r1`, `connector.*`. */
      levels: v.optional(
        v.record(
          v.pipe(v.string(), v.regex(modulePattern, modulesText)),
          oneOf(logLevels),
          "expected levels by module",
        ),
        {},
      ),
      /** `auto`: for people on a terminal, logfmt otherwise. */
      format: v.optional(oneOf(logFormats), "auto"),
    }),
    {},
  ),
  /** IANA name, or `Local`. */
  timezone: v.optional(
    v.pipe(text, v.check(isTimezone, "expected an IANA time zone such as Europe/Berlin, or Local")),
    "Local",
  ),
  /** What `props()` reads, by name. */
  properties: v.optional(
    v.record(v.string(), v.union([text, v.number(), bool], "expected a text, a number, true or false")),
    {},
  ),
  /** What actions with `encryption` encrypt payloads with. */
  aesKey: v.optional(aesKey),
  /** A column that a row has not is taken from one that differs in the case of its letters only. */
  ignoreCase: v.optional(bool, false),
  /** What `GET /` shows as `version`: tools written for eKuiper decide on features by it. */
  reportedVersion: v.optional(text, "2.4.0"),
  /** Where connectors of HTTP may connect to. */
  network: v.optional(
    v.strictObject({
      /** Those of the machine, of private networks and of multicast. */
      privateAddresses: v.optional(oneOf(["allow", "refuse"]), "allow"),
      /** Exceptions from `refuse`. */
      allow: v.optional(
        v.array(v.pipe(text, v.check(isNetworkEntry, "expected a host, an address or a network such as 10.1.0.0/16"))),
        [],
      ),
    }),
    {},
  ),
  cors: v.optional(
    v.strictObject({
      /** Origins of web pages that may call the admin interface; `*` allows every one. */
      allowOrigins: v.optional(v.array(text, "expected a list of origins"), []),
    }),
    {},
  ),
  /** HTTPS for the admin interface. */
  tls: v.optional(v.pipe(
    v.strictObject({
      certFile: text,
      keyFile: text,
      /** Clients must show a certificate of these authorities. */
      clientCaFile: v.optional(text),
      /** What the holders of certificates may do; the first line that fits counts. */
      clientRoles: v.optional(v.array(clientRole, "expected a list of roles"), []),
    }),
    v.check(
      ({ clientCaFile, clientRoles }) => clientRoles.length === 0 || clientCaFile !== undefined,
      "expected clientCaFile beside clientRoles: without it no client shows a certificate",
    ),
  )),
  /** Who may use the admin interface. */
  auth: v.optional(
    v.strictObject({
      /** `auto`: without accounts, only requests of this machine; else only those with a credential. */
      mode: v.optional(oneOf(["auto", "required", "off"]), "auto"),
      /** A token that is an admin's. */
      adminToken: v.optional(v.pipe(text, v.minLength(16, "expected a text of 16 characters or more"))),
      /** The folder with the public keys of those who issue JSON Web Tokens. */
      keysDir: v.optional(v.pipe(text, v.nonEmpty("expected a path"))),
      /** What these tokens must be for. */
      audience: v.optional(v.pipe(text, v.nonEmpty("expected a name")), "eKuiper"),
      /** `/metrics` wants no credential. */
      openMetrics: v.optional(bool, false),
    }),
    {},
  ),
  /** Who may read and write what, beyond what roles say. */
  policies: v.optional(v.array(policy, "expected a list of policies"), []),
  /** What settings that come over the admin interface may refer to as secrets; those of this file may to anything. */
  secrets: v.optional(
    v.strictObject({
      dirs: v.optional(v.array(v.pipe(text, v.startsWith("/", "expected an absolute path"))), ["/etc/weir/secrets"]),
      envPrefix: v.optional(v.pipe(text, v.minLength(3, "expected 3 characters or more")), "WEIR_SECRET_"),
    }),
    {},
  ),
  /** What was done with the agent, and by whom. */
  audit: v.optional(
    v.strictObject({
      /** Older entries are removed; 0 keeps all. */
      keep: v.optional(durationMs, "8760h"),
    }),
    {},
  ),
  limits: v.optional(
    v.strictObject({
      requestBodyBytesMax: v.optional(atLeast(1024), 8 * 1024 * 1024),
    }),
    {},
  ),
  rule: v.optional(rule, {}),
  sink: v.optional(sink, {}),
  source: v.optional(source, {}),
  /** Traces of rules. */
  tracing: v.optional(tracing, {}),
  /** Longest wait, in milliseconds, between two looks at a rule that may restart after an error or has a schedule. */
  rulePatrolInterval: v.optional(
    v.pipe(durationMs, v.minValue(1000, "expected at least a second")),
    10_000,
  ),
  /** The `etc` folder of an eKuiper, whose connector settings are read too; those of this file win. */
  ekuiperDir: v.optional(v.pipe(text, v.nonEmpty("expected a path"))),
  /** confKeys, by type. */
  sources: v.optional(namedSettings, {}),
  sinks: v.optional(namedSettings, {}),
  /** Named connections, by type. */
  connections: v.optional(namedSettings, {}),
});

/** Settings whose values must never reach a message. */
export const secretSettings: ReadonlySet<string> = new Set(["aesKey", "auth.adminToken", "tracing.headers"]);

/** Checked settings with all defaults filled in, apart from `dataDir`. */
export type AgentConfig = v.InferOutput<typeof configSchema>;

type Schema = v.GenericSchema & {
  readonly wrapped?: Schema;
  readonly entries?: Readonly<Record<string, Schema>>;
  readonly value?: Schema;
};

/** The names that may stand at a path of the configuration; undefined where any name may. */
export function namesAt(path: readonly string[]): string[] | undefined {
  let schema = configSchema as unknown as Schema;
  for (const step of path) {
    while (schema.wrapped !== undefined) schema = schema.wrapped;
    const next = schema.entries?.[step] ?? schema.value;
    if (next === undefined) return [];
    schema = next;
  }
  while (schema.wrapped !== undefined) schema = schema.wrapped;
  if (schema.entries !== undefined) return Object.keys(schema.entries);
  return schema.value === undefined ? [] : undefined;
}
