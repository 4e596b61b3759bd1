/**
 * What each route is for, takes and answers: what `/openapi.json` is made of. A test holds it to the routes that there are.
 * @module
 */

/** JSON Schema, as OpenAPI 3.1 has it. */
export type Shape = Readonly<Record<string, unknown>>;

export interface RouteDescription {
  readonly summary: string;
  /** Parameters of the query, each with what it says. */
  readonly query?: Readonly<Record<string, string>>;
  /** Of the body, which is JSON. */
  readonly takes?: Shape;
  /** Of another body that the route takes. */
  readonly takesForm?: Shape;
  /** The body may be left out. */
  readonly bodyOptional?: boolean;
  /** Of the answer, when it is JSON; nothing when absent. */
  readonly gives?: Shape;
  /** Of an answer that is no JSON. */
  readonly media?: string;
  /** 200 when absent. */
  readonly status?: 200 | 201 | 204;
}

const text: Shape = { type: "string" };
const whole: Shape = { type: "integer" };
const flag: Shape = { type: "boolean" };
const anything: Shape = {};
const settings: Shape = { type: "object", description: "Settings; passwords are answered as ******." };
const names: Shape = { type: "array", items: text };

function list(items: Shape): Shape {
  return { type: "array", items };
}

/** Names that end with `?` may be absent. */
function object(fields: Readonly<Record<string, Shape>>): Shape {
  const entries = Object.entries(fields);
  const required = entries.filter(([name]) => !name.endsWith("?")).map(([name]) => name);
  return {
    type: "object",
    properties: Object.fromEntries(entries.map(([name, shape]) => [name.replace(/\?$/, ""), shape])),
    ...(required.length === 0 ? {} : { required }),
  };
}

function map(values: Shape): Shape {
  return { type: "object", additionalProperties: values };
}

function shared(name: keyof typeof sharedShapes): Shape {
  return { $ref: `#/components/schemas/${name}` };
}

/** Those that several routes have. */
export const sharedShapes = {
  Error: object({
    error: { type: "integer", description: "eKuiper's number: 1002 is not found, 2001 the syntax of SQL …" },
    message: text,
    "diagnostics?": list(object({
      code: text,
      message: text,
      "span?": object({ start: whole, end: whole, "line?": whole, "column?": whole }),
      "path?": text,
      "hint?": text,
      "notes?": list(anything),
    })),
  }),
  Statement: object({ sql: text }),
  Definition: object({
    Name: text,
    StreamFields: { type: ["array", "null"], items: object({ Name: text, FieldType: anything }) },
    Options: { type: "object" },
    StreamType: { enum: [0, 1] },
    Statement: { type: "null" },
  }),
  Rule: object({
    "id?": text,
    "name?": text,
    "sql?": text,
    "graph?": { type: "object" },
    "actions?": list({ type: "object", description: "One sink: its type, and its properties." }),
    "options?": { type: "object" },
    "triggered?": flag,
    "tags?": names,
    "version?": text,
    "temp?": flag,
  }),
  Status: {
    type: "object",
    description: "State, times, and the counters of every node, such as sink_mqtt_0_0_records_out_total.",
    properties: { status: text, message: text, lastStartTimestamp: whole, lastStopTimestamp: whole },
    additionalProperties: { type: ["string", "number"] },
  },
  Tags: object({ "tags?": names, "keys?": names }),
  Bulk: list(object({ ruleId: text, success: flag, "error?": text })),
  Selection: object({ "action?": text, "sequences?": list(whole) }),
  DeadLetter: object({
    action: text,
    sequence: whole,
    id: text,
    reason: text,
    attempts: whole,
    created: whole,
    died: whole,
    bytes: whole,
    encoding: { enum: ["text", "base64"] },
    payload: text,
    "truncated?": flag,
  }),
  Connection: object({
    id: text,
    typ: text,
    props: settings,
    isNamed: flag,
    status: { enum: ["connected", "connecting", "disconnected"] },
    "err?": text,
    "refCount?": whole,
  }),
  ConnectionRequest: object({ "id?": text, typ: text, props: settings }),
  Schema: object({ type: text, name: text, content: text, file: text, soFile: text, version: text }),
  SchemaRequest: object({ "name?": text, "content?": text, "file?": text, "version?": text }),
  Import: object({ "content?": text, "file?": text }),
  Transfer: map(map(text)),
  Account: object({ kind: text, name: text, role: text, createdMs: whole, "expiresMs?": whole }),
  System: object({
    version: text,
    os: text,
    arch: text,
    upTimeSeconds: whole,
    cpuUsage: text,
    memoryUsed: text,
    memoryTotal: text,
    weir: text,
  }),
} as const satisfies Readonly<Record<string, Shape>>;

type Group = Readonly<Record<string, RouteDescription>>;

const done = (summary: string, more: Omit<RouteDescription, "summary" | "media"> = {}): RouteDescription => ({
  summary,
  media: "text/plain",
  ...more,
});

function definitionsOf(kind: "stream" | "table"): Group {
  const all = `/${kind}s`;
  const query = kind === "table" ? { query: { kind: "`scan` or `lookup`, for some only." } } : {};
  const takes = shared("Statement");
  return {
    [`GET ${all}`]: { summary: `The names of all ${kind}s`, gives: names, ...query },
    [`POST ${all}`]: done("Runs a statement on streams and tables, CREATE for one", { takes, status: 201 }),
    [`GET ${all}/:name`]: { summary: `The definition of a ${kind}`, gives: shared("Definition") },
    [`PUT ${all}/:name`]: done(`Replaces a ${kind}`, { takes }),
    [`DELETE ${all}/:name`]: done(`Drops a ${kind}`, { query: { force: "`true`: also one that running rules read." } }),
    [`GET ${all}/:name/schema`]: {
      summary: `The columns of a ${kind}, with their types`,
      gives: { type: ["object", "null"] },
    },
    [`GET /${kind}details`]: {
      summary: `All ${kind}s with type and format`,
      gives: list(object({ name: text, type: text, format: text })),
      ...query,
    },
  };
}

function metadataOf(role: "source" | "sink" | "connection"): Group {
  const at = `/metadata/${role}s`;
  const ofKey = `${at}/:type/confKeys/:key`;
  const kind = role === "source" ? { query: { kind: "`lookup`: what can be a lookup table." } } : {};
  return {
    [`GET ${at}`]: {
      summary: `What can be a ${role}`,
      gives: list(object({ name: text, about: anything, type: text })),
      ...kind,
    },
    [`GET ${at}/:type`]: { summary: `The settings of a ${role}, as fields of forms`, gives: { type: "object" } },
    [`GET ${at}/yaml/:type`]: { summary: `The named settings of a ${role}, by confKey`, gives: map(settings) },
    [`PUT ${ofKey}`]: { summary: "Keeps named settings, in the place of those before", takes: settings },
    [`DELETE ${ofKey}`]: { summary: "Removes named settings that were put" },
  };
}

function reachOf(role: "source" | "sink" | "lookup"): Group {
  return {
    [`POST /metadata/${role}s/connection/:type`]: {
      summary: `Tells whether the peer of a ${role} can be reached`,
      takes: settings,
    },
  };
}

const bulk = (verb: string): RouteDescription => ({
  summary: `${verb} all rules that have the tags`,
  query: { tags: "Tags, with commas between, in place of a body." },
  takes: shared("Tags"),
  bodyOptional: true,
  gives: shared("Bulk"),
});

const tagsOf = (summary: string): RouteDescription => ({ summary, takes: shared("Tags") });

const logLevels: Shape = object({
  level: text,
  modules: list(object({ module: text, level: text, "until?": whole })),
});

/** By the part of the interface, then by method and path as it is routed. */
export const routeDescriptions: Readonly<Record<string, Group>> = {
  System: {
    "GET /": { summary: "Version, machine and use of it", gives: shared("System") },
    "POST /": { summary: "The same", gives: shared("System") },
    "GET /ping": { summary: "Answers while the process serves requests" },
    "GET /healthz": done("Answers while the process serves requests"),
    "GET /readyz": done("Answers 200 once the stored rules are started, 503 with the reason before"),
    "GET /api/v1/health": {
      summary: "How the agent is, with a reason for everything that is not as it should be",
      gives: object({
        status: { enum: ["ok", "degraded", "failing"] },
        ready: flag,
        reasons: list(object({
          area: text,
          severity: { enum: ["warning", "problem"] },
          "subject?": text,
          message: text,
          hint: text,
        })),
        total: whole,
      }),
    },
    "GET /stop": done("Ends the agent, as SIGTERM does"),
    "POST /stop": done("Ends the agent, as SIGTERM does"),
    "GET /metrics": { summary: "Counters for Prometheus", media: "text/plain" },
    "GET /openapi.json": { summary: "This document", gives: { type: "object" } },
    "GET /api/v1/log/levels": { summary: "The levels of the log: of all, and of modules", gives: logLevels },
    "PUT /api/v1/log/levels": {
      summary: "Changes the level of the log, or of a module of it, until the next start or for some time",
      takes: object({
        "module?": text,
        level: { enum: ["debug", "info", "warn", "error", "configured"] },
        "for?": text,
      }),
      gives: logLevels,
    },
    "POST /api/v1/config/reload": {
      summary: "Reads the configuration again; gives the settings that differed, by when they hold",
      gives: object({ now: names, later: names, restart: names }),
    },
    "PATCH /configs": {
      summary: "Changes the level of the log, until the next start",
      takes: object({
        "logLevel?": text,
        "debug?": flag,
        "consoleLog?": flag,
        "fileLog?": flag,
        "timezone?": text,
        "metricsDumpConfig?": object({ "enable?": flag }),
      }),
      status: 204,
    },
  },
  Streams: definitionsOf("stream"),
  Tables: definitionsOf("table"),
  Rules: {
    "GET /rules": {
      summary: "All rules with their states",
      gives: list(object({
        id: text,
        name: text,
        status: text,
        version: text,
        trace: flag,
        tags: { type: ["array", "null"], items: text },
      })),
    },
    "POST /rules": done("Creates a rule", { takes: shared("Rule"), status: 201 }),
    "POST /rules/validate": {
      summary: "Checks a rule; 422 tells in plain text what is wrong with it",
      takes: shared("Rule"),
      gives: object({ sources: names, valid: flag }),
    },
    "GET /rules/status/all": {
      summary: "The states of all rules, by id",
      gives: map(object({ status: text, last_exception: text, exceptions_total: whole })),
    },
    "GET /rules/tags/match": {
      summary: "The rules that have all of the tags",
      query: { tags: "Tags, with commas between." },
      gives: object({ "rules?": names }),
    },
    "GET /rules/:name": { summary: "The rule as it was given", gives: shared("Rule") },
    "PUT /rules/:name": done("Replaces a rule, or creates it", { takes: shared("Rule") }),
    "DELETE /rules/:name": done("Stops a rule and forgets it"),
    "POST /rules/:name/start": done("Starts a rule"),
    "POST /rules/:name/stop": done("Stops a rule, until it is started"),
    "POST /rules/:name/restart": done("Stops a rule and starts it"),
    "GET /rules/:name/status": { summary: "State and counters of a rule", gives: shared("Status") },
    "GET /v2/rules/:name/status": { summary: "The same", gives: shared("Status") },
    "GET /rules/:name/explain": { summary: "The plan of a rule, as text", media: "text/plain" },
    "GET /api/v1/rules/:name/explain": {
      summary: "The plan of a rule with what each step has done, and what the rule promises",
      gives: object({ id: text, state: text, since: whole, guarantee: anything, root: anything }),
    },
    "GET /api/v1/rules/:name/ledger": {
      summary: "What became of every row and message of a rule",
      gives: { type: "object", properties: { id: text, since: whole, balanced: flag, imbalances: list(anything) } },
    },
    "GET /rules/:name/topo": {
      summary: "The nodes of a rule, and what follows what",
      gives: object({ sources: names, edges: map(names) }),
    },
    "GET /api/v1/rules/costs": {
      summary: "What each rule has taken and given since its start, for rates between two answers",
      gives: object({
        at: { type: "number" },
        rules: list(object({
          id: text,
          status: text,
          since: whole,
          rowsIn: whole,
          messagesOut: whole,
          workMs: { type: "number" },
          stateBytes: whole,
          waiting: whole,
          dropped: whole,
          failed: whole,
          latencyUs: whole,
        })),
      }),
    },
    "GET /api/v1/rules/:name/tap": {
      summary: "The rows of a running rule as they come, as Server-Sent Events",
      query: { node: "A step of the plan; the results when absent." },
      media: "text/event-stream",
    },
    "PUT /rules/:name/tags": tagsOf("Gives a rule these tags and no others"),
    "PATCH /rules/:name/tags": tagsOf("Adds tags to a rule"),
    "DELETE /rules/:name/tags": tagsOf("Removes tags of a rule"),
    "POST /rules/bulkstart": bulk("Starts"),
    "POST /rules/bulkstop": bulk("Stops"),
    "PUT /rules/:name/reset_state": done("Moves a source of a running rule to another position", {
      takes: object({ type: { const: 1 }, params: object({ streamName: text, input: { type: "object" } }) }),
    }),
    "POST /api/v1/rules/:name/reset": done(
      "Lets a rule forget what it has gathered, where its sources stand, or both",
      {
        takes: object({ "state?": flag, "positions?": flag }),
      },
    ),
  },
  Traces: {
    "POST /rules/:name/trace/start": done("Begins to trace a running rule", {
      takes: object({ "strategy?": { enum: ["always", "head"] } }),
    }),
    "POST /rules/:name/trace/stop": done("Ends it"),
    "GET /trace/rule/:name": {
      summary: "The ids of the newest traces of a rule, newest first",
      query: { limit: "How many: all when absent or 0." },
      gives: names,
    },
    "GET /trace/:name": {
      summary: "A trace as a tree of spans",
      gives: object({
        name: text,
        traceID: text,
        spanID: text,
        parentSpanID: text,
        attribute: { type: "object" },
        links: list(object({ traceID: text, spanID: text })),
        startTime: text,
        endTime: text,
        ruleID: text,
        ChildSpan: list(anything),
      }),
    },
    "POST /tracer": done("Begins or ends to send traces to a collector", {
      takes: object({ action: { enum: ["start", "stop"] }, "collector_url?": text, "service_name?": text }),
    }),
  },
  "Dead letters": {
    "GET /api/v1/rules/:name/dead-letters": {
      summary: "A page of the messages that a sink has refused for good",
      query: {
        action: "Those of one action.",
        limit: "How many: 100 when absent, at most 1,000.",
        after: "Those behind a sequence.",
      },
      gives: object({
        rule: text,
        total: whole,
        bytes: whole,
        letters: list(shared("DeadLetter")),
        "next?": whole,
      }),
    },
    "GET /api/v1/rules/:name/dead-letters/:action/:sequence": {
      summary: "One of them, whole",
      gives: shared("DeadLetter"),
    },
    "POST /api/v1/rules/:name/dead-letters/replay": {
      summary: "Sends them again",
      takes: shared("Selection"),
      bodyOptional: true,
      gives: object({ replayed: whole, unknown: list(whole) }),
    },
    "DELETE /api/v1/rules/:name/dead-letters": {
      summary: "Removes them",
      query: { action: "Those of one action.", sequences: "Sequences, with commas between." },
      takes: shared("Selection"),
      bodyOptional: true,
      gives: object({ cleared: whole, unknown: list(whole) }),
    },
  },
  "Trial runs": {
    "POST /ruletest": {
      summary: "Makes a rule that is thrown away, whose results are at /test/{id} of the port",
      takes: object({
        id: text,
        sql: text,
        "mockSource?": map(object({ "data?": list({ type: "object" }), "interval?": anything, "loop?": flag })),
        "sinkProps?": { type: "object" },
      }),
      gives: object({ id: text, port: whole }),
    },
    "POST /ruletest/:name/start": done("Starts one"),
    "DELETE /ruletest/:name": done("Ends one"),
  },
  Metadata: {
    ...metadataOf("source"),
    ...metadataOf("sink"),
    ...metadataOf("connection"),
    ...reachOf("source"),
    ...reachOf("sink"),
    ...reachOf("lookup"),
    "GET /metadata/functions": { summary: "The functions of SQL, in groups", gives: list({ type: "object" }) },
    "GET /metadata/operators": { summary: "The steps of graphs", gives: list({ type: "object" }) },
    "GET /metadata/resources": { summary: "All confKeys with their types", gives: { type: "object" } },
  },
  Connections: {
    "GET /connections": {
      summary: "All connections",
      query: { forceAll: "`true`: also those that rules have made for themselves." },
      gives: list(shared("Connection")),
    },
    "POST /connections": done("Creates a connection, which opens", { takes: shared("ConnectionRequest"), status: 201 }),
    "GET /connections/:name": { summary: "A connection", gives: shared("Connection") },
    "PUT /connections/:name": done("Replaces a connection that no running rule uses", {
      takes: shared("ConnectionRequest"),
    }),
    "DELETE /connections/:name": done("Drops a connection that no running rule uses"),
  },
  Schemas: {
    "GET /schemas/:type": { summary: "The names of all schemas", gives: names },
    "POST /schemas/:type": done("Registers a schema", { takes: shared("SchemaRequest"), status: 201 }),
    "GET /schemas/:type/:name": { summary: "A schema", gives: shared("Schema") },
    "PUT /schemas/:type/:name": done("Replaces a schema", { takes: shared("SchemaRequest") }),
    "DELETE /schemas/:type/:name": done("Removes a schema"),
    "PUT /schemas/:type/:name/upload": {
      summary: "Registers a schema from a file; 201 for a new one",
      takesForm: object({ file: { type: "string", format: "binary" }, "version?": text }),
      gives: object({ type: text, name: text }),
    },
  },
  "Keyed state": {
    "GET /api/v1/state": { summary: "All keys", gives: names },
    "GET /api/v1/state/:key": { summary: "The value of a key", gives: anything },
    "PUT /api/v1/state/:key": { summary: "Keeps a value, any JSON", takes: anything },
    "DELETE /api/v1/state/:key": { summary: "Removes a key" },
    "GET /api/v1/managed": { summary: "The rules that files hold, and what is wrong with the files", gives: anything },
    "POST /api/v1/managed": {
      summary: "Applies the files now; with dry-run=true tells what would change",
      gives: anything,
    },
  },
  "Import and export": {
    "POST /ruleset/export": { summary: "All streams, tables and rules", gives: shared("Transfer") },
    "POST /ruleset/import": done("Adds and replaces streams, tables and rules", { takes: shared("Import") }),
    "GET /data/export": { summary: "All definitions, with their passwords", gives: shared("Transfer") },
    "POST /data/export": { summary: "Rules, and what they use", takes: names, gives: shared("Transfer") },
    "POST /data/import": {
      summary: "Replaces all definitions",
      query: { partial: "`1`: only those that are named." },
      takes: shared("Import"),
      gives: object({ ErrorMsg: text, ConfigResponse: shared("Transfer") }),
    },
    "GET /data/import/status": { summary: "What was wrong with the last import", gives: shared("Transfer") },
    "GET /config/uploads": { summary: "The paths of uploaded files and folders", gives: names },
    "POST /config/uploads": done("Keeps a file, and answers its path", {
      takes: object({ name: text, "content?": text, "base64?": text, "file?": text }),
      takesForm: object({ uploadFile: { type: "string", format: "binary" } }),
      status: 201,
    }),
    "DELETE /config/uploads/:name": done("Removes a file"),
  },
  Accounts: {
    "GET /api/v1/audit": {
      summary: "What was done with the agent and by whom, newest first",
      query: {
        before: "Only entries with a lower sequence: `next` of the page before",
        actor: "Only those of this actor, such as `user ada`",
        since: "Only those from this time on, Unix milliseconds or RFC 3339",
        limit: "How many at most; 100, and never more than 1000",
      },
      gives: object({
        head: object({ sequence: whole, hash: text }),
        entries: list(object({
          sequence: whole,
          hash: text,
          event: object({
            time: whole,
            action: text,
            actor: text,
            role: text,
            address: text,
            target: text,
            subject: text,
            outcome: { enum: ["done", "failed", "refused"] },
            status: whole,
            reason: text,
            count: whole,
          }),
        })),
        "next?": whole,
      }),
    },
    "GET /api/v1/whoami": { summary: "Who asks", gives: object({ name: text, kind: text, role: text }) },
    "GET /api/v1/users": { summary: "All users", gives: list(shared("Account")) },
    "POST /api/v1/users": {
      summary: "Makes a user; a password that was made up is shown this once",
      takes: object({ name: text, role: text, "password?": text }),
      gives: { type: "object" },
      status: 201,
    },
    "PATCH /api/v1/users/:name": {
      summary: "Changes role or password of a user",
      takes: object({ "role?": text, "password?": text }),
    },
    "DELETE /api/v1/users/:name": { summary: "Removes a user" },
    "GET /api/v1/tokens": { summary: "All API tokens", gives: list(shared("Account")) },
    "POST /api/v1/tokens": {
      summary: "Makes an API token, which is shown this once",
      takes: object({ name: text, role: text, "expiresIn?": text }),
      gives: { type: "object" },
      status: 201,
    },
    "DELETE /api/v1/tokens/:name": { summary: "Removes an API token" },
  },
};
