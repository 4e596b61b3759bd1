import assert from "node:assert/strict";
import { test } from "node:test";
import { DiagnosticError } from "../diagnostics/diagnostic.ts";
import { MemoryStore } from "../store/memory.ts";
import { ConfigRegistry } from "./configs.ts";
import { StreamRegistry, versionAllows } from "./streams.ts";

function registry(store = new MemoryStore()): StreamRegistry {
  const configs = new ConfigRegistry({
    store,
    file: { sources: { mqtt: { default: { server: "tcp://local", password: "p" } } } },
  });
  return new StreamRegistry({ store, configs });
}

/** The diagnostics as `code message @marked text`. */
function refusals(work: () => unknown): string[] {
  try {
    work();
  } catch (error) {
    assert.ok(error instanceof DiagnosticError, String(error));
    return error.diagnostics.map((d) => {
      const marked = d.span === undefined ? "" : ` @${error.text!.slice(d.span.start, d.span.end)}`;
      return `${d.code} ${d.message}${marked}${d.hint === undefined ? "" : ` (${d.hint})`}`;
    });
  }
  assert.fail("expected a DiagnosticError");
}

test("CREATE STREAM takes every option and types it", () => {
  const streams = registry();
  const text = `CREATE STREAM demo (a BIGINT, t DATETIME) WITH (DATASOURCE="t/1", FORMAT="DELIMITED", TYPE="mqtt",
    CONF_KEY="plant", TIMESTAMP="t", TIMESTAMP_FORMAT="YYYY", SHARED="true", STRICT_VALIDATION="TRUE", DELIMITER=";",
    SCHEMAID="a.B", KEY="a", RETAIN_SIZE="5", EXTRA="{\\"qos\\":2}", VERSION="V1")`;
  assert.deepEqual(streams.execute(text), { kind: "create", text: "Stream demo is created." });
  const { columns, options, ...rest } = streams.get("demo")!;
  assert.deepEqual(columns?.map((column) => column.name.name), ["a", "t"]);
  assert.deepEqual({ ...options }, {
    datasource: "t/1",
    type: "mqtt",
    format: "delimited",
    confKey: "plant",
    timestamp: "t",
    timestampFormat: "YYYY",
    shared: true,
    strictValidation: true,
    delimiter: ";",
    schemaId: "a.B",
    key: "a",
    kind: "scan",
    retainSize: 5,
    extra: { qos: 2 },
    version: "v1",
    temp: false,
  });
  assert.equal(rest.text, text);
  assert.equal(rest.target, "stream");
});

test("the defaults differ between streams and tables", () => {
  const streams = registry();
  streams.execute("CREATE STREAM s () WITH ()");
  streams.execute("CREATE TABLE t () WITH ()");
  streams.execute('CREATE TABLE m () WITH (TYPE="memory", KIND="lookup", KEY="id")');
  const stream = streams.get("s")!;
  assert.equal(stream.columns, undefined);
  assert.equal(stream.options.type, "mqtt");
  assert.equal(stream.options.format, "json");
  assert.equal(stream.options.datasource, "");
  assert.equal(streams.get("t")!.options.type, "file");
  assert.equal(streams.get("t")!.options.retainSize, 9999);
  assert.equal(streams.get("m")!.options.retainSize, 1);
  assert.equal(streams.get("m")!.options.kind, "lookup");
});

const refused: [string, string[]][] = [
  [
    'CREATE STREAM s () WITH (FORMATT="json", SHARED="maybe")',
    [
      'E407 Unknown stream option "FORMATT" @FORMATT (did you mean "FORMAT"?)',
      'E407 SHARED must be "true" or "false": found "maybe" @"maybe"',
    ],
  ],
  [
    'CREATE STREAM s () WITH (FORMAT="jsno")',
    [
      "E407 FORMAT must be one of json, binary, delimited, urlencoded, protobuf, msgpack, cbor, custom: found " +
      '"jsno" @"jsno" (did you mean "json"?)',
    ],
  ],
  [
    'CREATE TABLE s () WITH (RETAIN_SIZE="-1", KIND="scna")',
    [
      'E407 KIND must be one of scan, lookup: found "scna" @"scna" (did you mean "scan"?)',
      'E407 RETAIN_SIZE must be a whole number from 1 to 1000000: found "-1" @"-1"',
    ],
  ],
  ["CREATE STREAM s () WITH (EXTRA='[1]')", ["E407 EXTRA must hold a JSON object: found [1] @'[1]'"]],
  ['CREATE STREAM s () WITH (TYPE="mqtt", TYPE="file")', ["E407 Stream option TYPE is set twice @TYPE"]],
  [
    'CREATE STREAM s (a BIGINT) WITH (FORMAT="binary")',
    ['E407 FORMAT binary takes no columns, or a single one of type BYTEA @"binary"'],
  ],
  ['CREATE TABLE s () WITH (FORMAT="binary")', ['E407 A table cannot have FORMAT binary @"binary"']],
  [
    'CREATE TABLE s () WITH (TYPE="memory", KIND="lookup")',
    ['E407 A lookup table of TYPE memory needs a KEY @"lookup" (add KEY="column")'],
  ],
  [
    'CREATE STREAM s () WITH (KIND="lookup")',
    ['E407 KIND lookup is for tables: a stream cannot be looked up @"lookup" (use CREATE TABLE)'],
  ],
  ["CREATE STREAM s (a BIGINT, a FLOAT) WITH ()", ['E206 Column "a" is declared twice @a']],
  [
    "CREATE STREAM `a b` () WITH ()",
    ["E704 id 'a b' contains invalid characters: only alphanumeric, hyphens and underscores are allowed @`a b`"],
  ],
];

for (const [text, expected] of refused) {
  test(`${text} is refused`, () => {
    const streams = registry();
    assert.deepEqual(refusals(() => streams.execute(text)), expected);
    assert.deepEqual(streams.names(), []);
  });
}

test("EXTRA that is not JSON is refused with the reason", () => {
  const [first] = refusals(() => registry().execute("CREATE STREAM s () WITH (EXTRA='{a')"));
  assert.match(first!, /^E407 EXTRA is not valid JSON: .* @'\{a'$/);
});

test("streams and tables share one name space", () => {
  const streams = registry();
  streams.execute("CREATE STREAM demo () WITH ()");
  assert.deepEqual(refusals(() => streams.execute("CREATE STREAM demo () WITH ()")), [
    "E702 Create stream fails: demo already exists @demo",
  ]);
  assert.deepEqual(refusals(() => streams.execute("CREATE TABLE demo () WITH ()")), [
    "E702 Create table fails: demo already exists as a stream @demo",
  ]);
});

test("definitions survive in the store, TEMP ones do not, unreadable ones are reported", () => {
  const store = new MemoryStore();
  const before = registry(store);
  before.execute("CREATE STREAM b () WITH ()");
  before.execute("CREATE STREAM a () WITH ()");
  before.execute("CREATE TABLE t () WITH ()");
  before.execute('CREATE STREAM fleeting () WITH (TEMP="true")');
  assert.deepEqual(before.names(), ["a", "b", "fleeting", "t"]);
  store.put("stream", "old", "CREATE STREEM old");
  const after = registry(store);
  assert.deepEqual(after.names("stream"), ["a", "b"]);
  assert.deepEqual(after.names("table"), ["t"]);
  assert.deepEqual(after.unreadable.map(({ name, target }) => [name, target]), [["old", "stream"]]);
  after.execute("CREATE STREAM old () WITH ()");
  assert.deepEqual(after.unreadable, []);
  assert.equal(store.get("stream", "old"), "CREATE STREAM old () WITH ()");
});

test("SHOW, DESCRIBE, DROP and EXPLAIN answer with text", () => {
  const streams = registry();
  assert.equal(streams.execute("SHOW STREAMS").text, "No stream definitions are found.");
  assert.equal(streams.execute("SHOW TABLES").text, "No table definitions are found.");
  streams.execute('CREATE STREAM demo (a BIGINT, l ARRAY(STRUCT(b FLOAT))) WITH (DATASOURCE="t/1", SHARED="true")');
  streams.execute("CREATE STREAM demo2 () WITH ()");
  assert.equal(streams.execute("SHOW STREAMS").text, "demo\ndemo2");
  assert.equal(
    streams.execute("DESCRIBE STREAM demo").text,
    `Fields\n${"-".repeat(80)}\na\tbigint\nl\tarray(struct(b float))\n\nDATASOURCE: t/1\nSHARED: true\n`,
  );
  assert.deepEqual(JSON.parse(streams.execute("EXPLAIN STREAM demo").text), {
    op: "DataSourcePlan_0",
    stream: "demo",
    type: "mqtt",
    format: "json",
    shared: true,
    settings: { server: "tcp://local", password: "******", datasource: "t/1" },
  });
  assert.deepEqual(refusals(() => streams.execute("DESCRIBE STREAM dmeo")), [
    'E701 Describe stream fails, dmeo is not found. (did you mean "demo"?)',
  ]);
  assert.deepEqual(refusals(() => streams.drop("stream", "demo", { usedBy: ["r1"] })), [
    "E705 stream demo has been referenced by other rules (stop r1 first, or drop it with force)",
  ]);
  assert.deepEqual(refusals(() => streams.execute("DROP TABLE demo")), [
    "E701 Drop table fails, demo is not found. (demo is a stream)",
  ]);
  assert.equal(streams.execute("DROP STREAM demo").text, "Stream demo is dropped.");
  assert.equal(streams.get("demo"), undefined);
  streams.drop("stream", "demo2", { usedBy: ["r1"], force: true });
  assert.deepEqual(streams.names(), []);
});

test("a SELECT is no statement on streams", () => {
  assert.match(refusals(() => registry().execute("SELECT a FROM demo"))[0]!, /^E703 A SELECT is not a statement/);
});

test("definitionJson() prints what was written", () => {
  const streams = registry();
  streams.execute(
    `CREATE STREAM demo (a BIGINT DEFAULT 3, b STRUCT(c ARRAY(STRING))) WITH (DATASOURCE="t", FORMAT="JSON", ` +
      `SHARED="TRUE", TEMP="false", RETAIN_SIZE="7", EXTRA='{"qos":1}', CONF_KEY="")`,
  );
  assert.deepEqual(streams.definitionJson("stream", "demo"), {
    Name: "demo",
    StreamFields: [
      { Name: "a", FieldType: "bigint", DefaultClause: 3 },
      {
        Name: "b",
        FieldType: {
          Type: "struct",
          Fields: [{ Name: "c", FieldType: { Type: "array", ElementType: "string" } }],
        },
      },
    ],
    Options: { datasource: "t", format: "JSON", shared: true, extra: '{"qos":1}', retainSize: 7 },
    StreamType: 0,
    Statement: null,
  });
  streams.execute("CREATE TABLE t () WITH ()");
  assert.deepEqual(streams.definitionJson("table", "t"), {
    Name: "t",
    StreamFields: null,
    Options: {},
    StreamType: 1,
    Statement: null,
  });
  assert.throws(() => streams.definitionJson("stream", "t"), DiagnosticError);
});

test("resolveSchema() is the declared columns, else what rules asked for, else null", () => {
  const streams = registry();
  streams.execute("CREATE STREAM typed (a BIGINT, l ARRAY(FLOAT), s STRUCT(x STRING)) WITH ()");
  streams.execute("CREATE STREAM loose () WITH ()");
  assert.deepEqual(streams.resolveSchema("stream", "typed"), {
    a: { type: "bigint" },
    l: { type: "array", items: { type: "float" } },
    s: { type: "struct", properties: { x: { type: "string" } } },
  });
  assert.equal(streams.resolveSchema("stream", "loose"), null);
  assert.deepEqual(streams.resolveSchema("stream", "loose", ["b", "a"]), { a: null, b: null });
});

test("replace() takes a new definition of the same name", () => {
  const store = new MemoryStore();
  const streams = registry(store);
  streams.execute('CREATE STREAM demo () WITH (DATASOURCE="a", SHARED="true")');
  const next = 'CREATE STREAM demo (a BIGINT) WITH (DATASOURCE="b", SHARED="true")';
  streams.replace("stream", "demo", next);
  assert.equal(streams.get("demo")!.options.datasource, "b");
  assert.equal(store.get("stream", "demo"), next);

  const cases: [string, RegExp][] = [
    [
      "CREATE STREAM other () WITH ()",
      /^E703 Replace stream fails: the sql statement must create the demo stream @other/,
    ],
    ["CREATE TABLE demo () WITH ()", /^E703 .*must create the demo stream/],
    ["SHOW STREAMS", /^E703 .*must create the demo stream/],
    ['CREATE STREAM demo () WITH (SHARED="false")', /^E407 .*SHARED of demo cannot be changed @SHARED="false"/],
    ['CREATE STREAM demo () WITH (SHARED="true", TEMP="true")', /^E407 .*TEMP stream cannot be replaced/],
    ["CREATE STREEM demo", /^E101/],
  ];
  for (const [text, expected] of cases) {
    assert.match(refusals(() => streams.replace("stream", "demo", text))[0]!, expected);
  }
  assert.equal(store.get("stream", "demo"), next);
  assert.deepEqual(refusals(() => streams.replace("table", "demo", "CREATE TABLE demo () WITH ()")), [
    "E701 Replace table fails, demo is not found. (demo is a stream)",
  ]);
});

test("a replacement needs a greater version as soon as one of the two has one", () => {
  const streams = registry();
  streams.execute('CREATE STREAM demo () WITH (VERSION="B")');
  assert.deepEqual(refusals(() => streams.replace("stream", "demo", 'CREATE STREAM demo () WITH (VERSION="a")')), [
    'E706 stream demo already exists with version (b), new version (a) is lower @VERSION="a"',
  ]);
  streams.replace("stream", "demo", 'CREATE STREAM demo () WITH (VERSION="c")');
  assert.equal(streams.get("demo")!.options.version, "c");
});

test("versionAllows() compares as text", () => {
  const cases: [string, string, boolean][] = [
    ["", "", true],
    ["", "1", true],
    ["1", "", false],
    ["1", "1", false],
    ["9", "10", false],
    ["1", "2", true],
  ];
  for (const [before, next, allowed] of cases) {
    assert.equal(versionAllows(before, next), allowed, `${before} → ${next}`);
  }
});

test("CREATE STREAM refuses a DEFAULT that its column cannot hold", () => {
  const streams = registry();
  const columns =
    'a BIGINT DEFAULT "x", b FLOAT DEFAULT true, c STRING DEFAULT 1, d BOOLEAN DEFAULT "true", e BIGINT DEFAULT 1.5';
  assert.deepEqual(refusals(() => streams.execute(`CREATE STREAM s (${columns}) WITH ()`)), [
    'E407 DEFAULT of column "a" must be a bigint: found a string @"x"',
    'E407 DEFAULT of column "b" must be a float: found a boolean @true',
    'E407 DEFAULT of column "c" must be a string: found an integer @1',
    'E407 DEFAULT of column "d" must be a boolean: found a string @"true"',
    'E407 DEFAULT of column "e" must be a bigint: found a number @1.5',
  ]);
  streams.execute(
    'CREATE STREAM s (a BIGINT DEFAULT -1, b FLOAT DEFAULT 1, c STRING DEFAULT "x", d BOOLEAN DEFAULT false) WITH ()',
  );
});

test("keys of a struct may have a DEFAULT, which must fit them too", () => {
  const streams = registry();
  const columns = "s STRUCT(a BIGINT DEFAULT 1, l ARRAY(STRUCT(b STRING DEFAULT 'x')), c FLOAT)";
  streams.execute(`CREATE STREAM demo (${columns}) WITH ()`);
  assert.match(
    streams.execute("DESCRIBE STREAM demo").text,
    /\ns\tstruct\(a bigint default 1, l array\(struct\(b string default 'x'\)\), c float\)\n/,
  );
  assert.deepEqual(
    refusals(() =>
      streams.execute("CREATE STREAM s (l ARRAY(STRUCT(b BOOLEAN DEFAULT 1, c BIGINT DEFAULT 'x'))) WITH ()")
    ),
    [
      'E407 DEFAULT of column "b" must be a boolean: found an integer @1',
      "E407 DEFAULT of column \"c\" must be a bigint: found a string @'x'",
    ],
  );
});

const wellFormed = [
  "create stream S1 ( ) with ( ) ;",
  'CREATE TABLE t (a BIGINT, b FLOAT,) WITH (DATASOURCE="x" FORMAT="json", TYPE = "memory")',
  "CREATE STREAM `plant-1` () WITH ()",
  "CREATE STREAM `1st` () WITH ()",
  "CREATE STREAM stream (table BIGINT, string STRING, `order` FLOAT) WITH (type='mqtt')",
  'CREATE STREAM s (l ARRAY(ARRAY(STRUCT(x BIGINT, y STRUCT(z BYTEA)))), d datetime, b BOOL) WITH (Format="DeLiMiTeD")',
  "CREATE STREAM s (a BIGINT /* c */) -- d\n WITH (SHARED = true, STRICT_VALIDATION=FALSE, TEMP='false' RETAIN_SIZE=5)",
];

for (const text of wellFormed) {
  test(`${text.replaceAll("\n", " ")} is accepted`, () => {
    const streams = registry();
    streams.execute(text);
    assert.equal(streams.names().length, 1);
  });
}

const malformed: [string, RegExp][] = [
  ["CREATE STREAM s WITH ()", /^E101 expected "\(" after "s", found "WITH" @WITH/],
  ["CREATE STREAM s (a BIGINT)", /^E101 expected WITH /],
  ["CREATE STREAM s () WITH", /^E101 expected "\("/],
  ["CREATE STREAM s () WITH (FORMAT)", /^E101 expected "="/],
  ["CREATE STREAM s () WITH (FORMAT=json)", /^E101 .*found "json" @json/],
  ['CREATE STREAM s () WITH (FORMAT="json",)', /^E101 .* @\)/],
  ["CREATE STREAM s () WITH (RETAIN_SIZE=-1)", /^E101 .* @-/],
  ["CREATE STREAM s () WITH (RETAIN_SIZE=1.5)", /^E101 .* @1\.5/],
  ["CREATE STREAM s (a) WITH ()", /^E101 expected a type/],
  ["CREATE STREAM s (a INT) WITH ()", /^E101 expected a type.* @INT/],
  ["CREATE STREAM s (a BIGINT b FLOAT) WITH ()", /^E101 .* @b/],
  ["CREATE STREAM s (a ARRAY) WITH ()", /^E101 expected "\("/],
  ["CREATE STREAM s (a STRUCT()) WITH ()", /^E101 .* @\)/],
  ["CREATE STREAM s (,) WITH ()", /^E101 .* @,/],
  ["CREATE STREAM 1st () WITH ()", /^E101 .* @1st/],
  ["CREATE STREAM plant-1 () WITH ()", /^E101 .* @-/],
  ["CREATE STREAM `a.b` () WITH ()", /^E704 .* @`a\.b`/],
  ["CREATE STREAM `é` () WITH ()", /^E704 .* @`é`/],
  ["CREATE STREAM s (a DATETIME DEFAULT 1) WITH ()", /^E101 .* @DEFAULT/],
  ["CREATE STREAM s (a BYTEA DEFAULT 'x') WITH ()", /^E101 .* @DEFAULT/],
  ["CREATE STREAM s (a ARRAY(BIGINT) DEFAULT 1) WITH ()", /^E101 .* @DEFAULT/],
  ["CREATE STREAM s (a STRUCT(b BIGINT) DEFAULT 1) WITH ()", /^E101 .* @DEFAULT/],
  ["CREATE STREAM s (a BIGINT DEFAULT 1 + 1) WITH ()", /^E101 .* @\+/],
  ["CREATE STREAM s (a BIGINT DEFAULT b) WITH ()", /^E101 expected a literal/],
  ["CREATE STREAM s (a BIGINT DEFAULT) WITH ()", /^E101 expected a literal/],
  ['CREATE STREAM s () WITH (StrictValidation="true")', /^E407 Unknown .* @StrictValidation .*"STRICT_VALIDATION"/],
  ['CREATE STREAM s () WITH (SHEMAID="x")', /^E407 Unknown .*did you mean "SCHEMAID"/],
  ['CREATE STREAM s () WITH (TOPIC="x")', /^E407 Unknown stream option "TOPIC" @TOPIC/],
  ['CREATE STREAM s (a BIGINT, b FLOAT) WITH (FORMAT="binary")', /^E407 FORMAT binary takes/],
  ['CREATE STREAM s (a BYTEA, b BYTEA) WITH (FORMAT="binary")', /^E407 FORMAT binary takes/],
  ['CREATE STREAM s () WITH (EXTRA="5")', /^E407 EXTRA must hold a JSON object/],
  ['CREATE STREAM s () WITH (SHARED="yes")', /^E407 SHARED must be "true" or "false"/],
  ["CREATE VIEW s () WITH ()", /^E101 expected STREAM or TABLE/],
  ["ALTER STREAM s () WITH ()", /^E101 .* @ALTER/],
  ["REPLACE STREAM s () WITH ()", /^E101 .* @REPLACE/],
  ["DROP s", /^E101 expected STREAM or TABLE/],
  ["SHOW STREAMS s", /^E101 .* @s/],
];

for (const [text, expected] of malformed) {
  test(`${text} is refused at its place`, () => {
    assert.match(refusals(() => registry().execute(text))[0]!, expected);
  });
}

test("a name that does not exist is an error in every statement, one of the other kind is pointed out", () => {
  const streams = registry();
  streams.execute("CREATE STREAM demo () WITH ()");
  for (const verb of ["Describe", "Explain", "Drop"]) {
    for (const kind of ["stream", "table"]) {
      const sql = `${verb.toUpperCase()} ${kind.toUpperCase()}`;
      assert.deepEqual(refusals(() => streams.execute(`${sql} nosuch`)), [
        `E701 ${verb} ${kind} fails, nosuch is not found.`,
      ]);
    }
    assert.deepEqual(refusals(() => streams.execute(`${verb.toUpperCase()} TABLE demo`)), [
      `E701 ${verb} table fails, demo is not found. (demo is a stream)`,
    ]);
  }
});

test("names of streams keep their case", () => {
  const streams = registry();
  streams.execute("CREATE STREAM demo () WITH ()");
  streams.execute("CREATE STREAM Demo () WITH ()");
  assert.deepEqual(streams.names(), ["Demo", "demo"]);
});

test("DESCRIBE shows types in lower case, defaults, and the options that were set", () => {
  const streams = registry();
  const columns = "a BIGINT DEFAULT -7, b STRING DEFAULT 'x', c BOOLEAN DEFAULT TRUE, d DATETIME";
  streams.execute(`CREATE TABLE t (${columns}) WITH (TYPE="memory", retain_size=5, VERSION="V2", KEY="")`);
  assert.equal(
    streams.execute("DESCRIBE TABLE t").text,
    ["Fields", "-".repeat(80), "a\tbigint\tdefault -7", "b\tstring\tdefault 'x'", "c\tboolean\tdefault TRUE"].join(
      "\n",
    ) +
      "\nd\tdatetime\n\n" +
      "TYPE: memory\nVERSION: v2\nRETAIN_SIZE: 5\n",
  );
});

test("a dropped name is free again, for a stream and for a table", () => {
  const streams = registry();
  streams.execute("CREATE STREAM demo () WITH ()");
  streams.execute("DROP STREAM demo");
  streams.execute("CREATE TABLE demo () WITH ()");
  assert.deepEqual(streams.names("table"), ["demo"]);
});

test("what is not set has the default of the dialect", () => {
  const streams = registry();
  streams.execute("CREATE STREAM s () WITH ()");
  assert.deepEqual({ ...streams.get("s")!.options }, {
    datasource: "",
    type: "mqtt",
    format: "json",
    confKey: undefined,
    timestamp: undefined,
    timestampFormat: undefined,
    shared: false,
    strictValidation: false,
    delimiter: undefined,
    schemaId: undefined,
    key: undefined,
    kind: "scan",
    retainSize: 1,
    extra: {},
    version: "",
    temp: false,
  });
});
