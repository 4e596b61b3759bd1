/**
 * The one table of diagnostic codes. A shipped number is never reused for another meaning.
 *
 * E1xx parse, E2xx analyze, E3xx plan and compile, E4xx config and connectors, E5xx rows, E6xx store, E7xx admin.
 * `provokes` is a text that gives the code: SQL for E1xx to E3xx and E5xx, prose otherwise. A test runs the SQL.
 * @module
 */

/** The stage of a code: which part of weir refuses the input. */
export type Stage = "parse" | "analyze" | "plan" | "config" | "row" | "store" | "admin";

interface CodeEntry {
  readonly stage: Stage;
  readonly title: string;
  readonly explanation: string;
  readonly provokes: string;
}

export const codes = {
  // ---- parse
  E101: {
    stage: "parse",
    title: "Syntax error",
    explanation: "The text does not follow the grammar. The message says what was found and what could stand there.",
    provokes: "SELECT FROM demo",
  },
  E102: {
    stage: "parse",
    title: "Nested too deeply",
    explanation: "Expressions may be nested 200 levels deep; deeper texts are refused so that none exhausts the stack.",
    provokes: "an expression inside 201 pairs of parentheses",
  },
  E103: {
    stage: "parse",
    title: "Statement too long",
    explanation: "A statement may have 256 KiB of text and 32,000 words and signs.",
    provokes: "a statement of more than 256 KiB",
  },
  E104: {
    stage: "parse",
    title: "Bad string literal",
    explanation: "A string holds an unknown escape, a raw line break, or has no end quote.",
    provokes: "SELECT 'a\\q' FROM demo",
  },
  // ---- analyze
  E201: {
    stage: "analyze",
    title: "Unknown stream or table",
    explanation: "FROM names something that has not been created.",
    provokes: "SELECT a FROM nowhere",
  },
  E202: {
    stage: "analyze",
    title: "Unknown function",
    explanation: "No built-in or registered function has this name.",
    provokes: "SELECT lenght(a) FROM demo",
  },
  E203: {
    stage: "analyze",
    title: "Wrong number of arguments",
    explanation: "The function takes fewer or more arguments than were given.",
    provokes: "SELECT abs(a, 2) FROM demo",
  },
  E204: {
    stage: "analyze",
    title: "Unknown column",
    explanation: "The stream declares its columns and this is not one of them.",
    provokes: "SELECT temprature FROM typed",
  },
  E205: {
    stage: "analyze",
    title: "Wrong literal type",
    explanation: "A literal argument has a type the function or operator can never accept.",
    provokes: "SELECT abs('a') FROM demo",
  },
  E206: {
    stage: "analyze",
    title: "Duplicate name",
    explanation: "Two visible select items, or two aliases, have the same name.",
    provokes: "SELECT a AS x, b AS x FROM demo",
  },
  E207: {
    stage: "analyze",
    title: "Circular alias",
    explanation: "Aliases are defined by each other, so none can be computed.",
    provokes: "SELECT y + 1 AS x, x + 1 AS y FROM typed_ab",
  },
  E208: {
    stage: "analyze",
    title: "Aggregate not allowed here",
    explanation: "Aggregates may not stand in GROUP BY, inside other aggregates, or in FILTER and OVER.",
    provokes: "SELECT sum(count(*)) FROM demo GROUP BY TUMBLINGWINDOW(ss, 1)",
  },
  E209: {
    stage: "analyze",
    title: "GROUP BY needs a window",
    explanation: "A stream has no end, so its rows can be grouped only inside a window.",
    provokes: "SELECT count(*) FROM demo GROUP BY a",
  },
  E210: {
    stage: "analyze",
    title: "Bad window",
    explanation:
      "Lengths must be positive integer literals, units one of dd hh mi ss ms, and at most one window is allowed.",
    provokes: "SELECT count(*) FROM demo GROUP BY TUMBLINGWINDOW(ss, 0)",
  },
  E211: {
    stage: "analyze",
    title: "Bad HAVING",
    explanation: "HAVING needs a window, and every column and call in it must be or stand inside an aggregate.",
    provokes: "SELECT count(*) AS c FROM demo GROUP BY TUMBLINGWINDOW(ss, 1) HAVING a > 10",
  },
  E212: {
    stage: "analyze",
    title: "OVER or FILTER not allowed here",
    explanation: "OVER belongs to analytic functions, row_number and windows; FILTER only to windows.",
    provokes: "SELECT abs(a) OVER (PARTITION BY b) FROM demo",
  },
  E213: {
    stage: "analyze",
    title: "Impossible operand type",
    explanation:
      "An index must be an int, and IN needs a list or an array. Other operands whose types are known and do not fit, as in " +
      "'a' + 1, are no mistake of the statement: weir validate and weir query warn of them, and rows that have values there fail.",
    provokes: "SELECT a['b'] FROM demo",
  },
  E214: {
    stage: "analyze",
    title: "Bad constant argument",
    explanation: "An argument that must be a literal is not one, or its value is outside what the function allows.",
    provokes: "SELECT cast(a, 'integer') FROM demo",
  },
  E215: {
    stage: "analyze",
    title: "Ambiguous column",
    explanation: "Several sources have this column; name the source in front of it.",
    provokes: "SELECT a FROM typed_ab INNER JOIN typed_ab2 ON typed_ab.b = typed_ab2.b GROUP BY TUMBLINGWINDOW(ss, 1)",
  },
  E216: {
    stage: "analyze",
    title: "Not allowed in this place",
    explanation: "The expression is valid, but not in this clause.",
    provokes: "SELECT abs(*) FROM demo",
  },
  E217: {
    stage: "analyze",
    title: "Bad graph",
    explanation: "The nodes of a graph rule, or the arrows between them, do not fit together.",
    provokes: "a graph rule whose edges name a node that does not exist",
  },
  E218: {
    stage: "analyze",
    title: "Bad property of a graph node",
    explanation: "A property of a node of a graph rule is missing, of the wrong kind, or misspelt.",
    provokes: "a filter node without expr",
  },
  // ---- plan and compile
  E302: {
    stage: "plan",
    title: "Event time needs a timestamp",
    explanation: "A rule with isEventTime reads only streams that name their TIMESTAMP column.",
    provokes: "a rule with isEventTime over a stream without TIMESTAMP",
  },
  E303: {
    stage: "plan",
    title: "Bad rule option",
    explanation: "An option of the rule does not fit its statement, its stream or another option.",
    provokes: "a rule with sendMetaToSink over a window",
  },
  // ---- config and connectors
  E401: {
    stage: "config",
    title: "Bad configuration file",
    explanation: "The file is not valid YAML or cannot be read.",
    provokes: "a weir.yaml with a tab as indentation",
  },
  E402: {
    stage: "config",
    title: "Unknown setting",
    explanation: "The setting does not exist here.",
    provokes: "an mqtt action with a key brokerr",
  },
  E403: {
    stage: "config",
    title: "Bad value",
    explanation: "The setting exists, but not with this value.",
    provokes: "an mqtt action with qos 7",
  },
  E404: {
    stage: "config",
    title: "Missing setting",
    explanation: "A required setting is absent.",
    provokes: "an mqtt action without topic",
  },
  E405: {
    stage: "config",
    title: "Unknown connector type",
    explanation: "No source, lookup or sink of this type exists.",
    provokes: 'a rule that reads CREATE STREAM s () WITH (TYPE="mqttt")',
  },
  E406: {
    stage: "config",
    title: "Unknown connection or configuration key",
    explanation: "CONF_KEY, resourceId or connectionSelector names a configuration that does not exist.",
    provokes: 'a rule that reads CREATE STREAM s () WITH (CONF_KEY="nosuch")',
  },
  E407: {
    stage: "config",
    title: "Bad stream option",
    explanation: "A WITH option is unknown, has a wrong value, or does not fit the others.",
    provokes: 'CREATE STREAM s () WITH (FORMATT="json")',
  },
  E408: {
    stage: "config",
    title: "Setting not supported yet",
    explanation: "The setting exists in the dialect, but this version of weir cannot honour it.",
    provokes: 'an action with format "custom"',
  },
  E409: {
    stage: "config",
    title: "Bad template",
    explanation:
      "A template is not what Go's text/template reads, or names a function, a variable or a template that does not exist.",
    provokes: "an action with dataTemplate {{.a | uper}}",
  },
  E410: {
    stage: "config",
    title: "Unknown schema",
    explanation:
      "SCHEMAID, schemaId or payloadSchemaId names a schema that is not registered, or a message that it does not have, " +
      "or one whose file imports what is not there any more.",
    provokes: 'a rule that reads CREATE STREAM s () WITH (FORMAT="protobuf", SCHEMAID="nosuch.Message")',
  },
  // ---- rows
  E501: {
    stage: "row",
    title: "Undecodable payload",
    explanation: "A message is not what the stream's FORMAT and columns say. It is dropped, counted and logged.",
    provokes: "the payload {oops on a json stream",
  },
  E502: {
    stage: "row",
    title: "Wrong operand types",
    explanation: "An operator met values it cannot combine.",
    provokes: "SELECT a + 1 FROM demo -- with a string in a",
  },
  E503: {
    stage: "row",
    title: "Division by zero",
    explanation: "The divisor of / or % is zero.",
    provokes: "SELECT 1 / 0 FROM demo",
  },
  E504: {
    stage: "row",
    title: "Not a boolean",
    explanation: "A condition gave something else than true or false.",
    provokes: "SELECT a FROM demo WHERE a -- with a number in a",
  },
  E505: {
    stage: "row",
    title: "Index out of range",
    explanation: "An index or slice lies outside the array, or the value is not an array.",
    provokes: "SELECT a[5] FROM demo -- with a shorter array in a",
  },
  E506: {
    stage: "row",
    title: "Function failed",
    explanation: "A function refused its arguments. The message names the function and the reason.",
    provokes: "SELECT sqrt(0 - 1) FROM demo",
  },
  E507: {
    stage: "row",
    title: "Timestamp missing or unreadable",
    explanation: "An event-time row has no usable value in the TIMESTAMP column.",
    provokes: "a row without the TIMESTAMP column",
  },
  E508: {
    stage: "row",
    title: "Cannot be encoded",
    explanation: "A result holds a value the output format has no form for, such as NaN in JSON.",
    provokes: "a NaN in a JSON action",
  },
  E509: {
    stage: "row",
    title: "Schema violation",
    explanation: "With STRICT_VALIDATION a row lacks a declared column or holds a value of another kind.",
    provokes: "a strictly validated row without a declared column",
  },
  E510: {
    stage: "row",
    title: "Lookup failed",
    explanation: "The store behind a lookup table did not answer: the row that asked for it fails.",
    provokes: "a lookup table whose database is away",
  },
  E512: {
    stage: "row",
    title: "Script failed",
    explanation: "The function of a script node threw an error, took too long, or returned something that is no row.",
    provokes: "a script node with function exec(msg) { throw new Error('no') }",
  },
  E511: {
    stage: "row",
    title: "Join too large",
    explanation:
      "A join gives more than 100,000 rows in one list, or has to look at more than 2,000,000 pairs of rows. An equality " +
      "at the beginning of ON spares most pairs.",
    provokes: "a CROSS JOIN of two windows with 2,000 rows each",
  },
  E513: {
    stage: "row",
    title: "State too large",
    explanation:
      "What a rule holds in windows, groups, partitions, joins and waiting rows takes more memory than its option " +
      "stateBytesMax allows. The rule is stopped, so that it does not take the memory of the others.",
    provokes: "a window of a day over ten thousand rows a second",
  },
  E514: {
    stage: "row",
    title: "Batch too slow",
    explanation:
      "The rule worked for longer than its option batchTimeMax allows on rows that it had been given together, or on " +
      "a window that closed. Nothing else runs meanwhile, so the rule is stopped.",
    provokes: "an expression that takes seconds for a row",
  },
  E515: {
    stage: "row",
    title: "Rule broken",
    explanation:
      "A step of the rule failed in a way that no step should: a mistake in weir, not in the rule. As its state cannot be " +
      "trusted any more, the rule is stopped; other rules go on. Please report it with the lines of the log.",
    provokes: "a mistake in weir",
  },
  E516: {
    stage: "row",
    title: "Template failed",
    explanation:
      "A template could not make a text of a row: a function refused a value, or the text or the work was too much. The " +
      "message names the line and column in the template.",
    provokes: "an action with dataTemplate {{upper .a}} -- with a number in a",
  },
  // ---- store
  E601: {
    stage: "store",
    title: "Data directory not usable",
    explanation: "The data directory cannot be created, read or written, or another weir uses it.",
    provokes: "a data directory without write permission",
  },
  E602: {
    stage: "store",
    title: "Database damaged",
    explanation: "The database could not be opened. It was set aside and a new one was started.",
    provokes: "a weir.db full of zeros",
  },
  E603: {
    stage: "store",
    title: "Database too new",
    explanation: "A newer version of weir wrote this database.",
    provokes: "a weir.db with a schema version from the future",
  },
  E604: {
    stage: "store",
    title: "Store failed",
    explanation: "The store could not be read or written, as when the disk is full. What was asked for was not done.",
    provokes: "clearing dead letters while the disk is full",
  },
  // ---- admin
  E701: {
    stage: "admin",
    title: "Not found",
    explanation: "No such stream, table or rule.",
    provokes: "GET /rules/nosuch",
  },
  E702: {
    stage: "admin",
    title: "Already exists",
    explanation: "A stream, table or rule of this name exists.",
    provokes: "creating a stream twice",
  },
  E703: {
    stage: "admin",
    title: "Bad request body",
    explanation: "The body is not the JSON this route takes.",
    provokes: "POST /rules with the body {",
  },
  E704: {
    stage: "admin",
    title: "Invalid name",
    explanation: "Names hold letters, digits, _ and - only.",
    provokes: "a rule with the id a/b",
  },
  E705: {
    stage: "admin",
    title: "In use",
    explanation: "The definition is used by something that runs.",
    provokes: "deleting a stream that a running rule reads",
  },
  E706: {
    stage: "admin",
    title: "Version refused",
    explanation: "A replacement must carry a greater version than what it replaces.",
    provokes: "replacing a stream by one with a lower VERSION",
  },
  E707: {
    stage: "admin",
    title: "Cannot be asked",
    explanation: "The connector has no peer, or cannot tell whether it can be reached.",
    provokes: "POST /metadata/sinks/connection/log",
  },
  E708: {
    stage: "admin",
    title: "Peer not reached",
    explanation: "The peer did not answer, or not as one that can be used.",
    provokes: "POST /metadata/sources/connection/mqtt with a server that is not there",
  },
  E709: {
    stage: "admin",
    title: "Refused by a policy",
    explanation:
      "The policies of weir.yaml do not let whoever asks, or whoever saved the rule last, read or write what the rule " +
      "reads or writes.",
    provokes: "POST /rules with an action on a topic that no policy allows",
  },
  E710: {
    stage: "admin",
    title: "Secret out of bounds",
    explanation:
      "Settings that come over the admin interface may refer to secrets in some folders and variables only: those of " +
      "`secrets.dirs` and `secrets.envPrefix`.",
    provokes: 'PUT /metadata/sources/mqtt/confKeys/a with {"password": "file:/etc/shadow"}',
  },
  E711: {
    stage: "admin",
    title: "Secret not readable",
    explanation: "What a setting refers to, a variable, file or credential, is not there. It is tried again.",
    provokes: 'a rule with a password "env:WEIR_SECRET_X" while the variable is not set',
  },
  E712: {
    stage: "admin",
    title: "Managed by a file",
    explanation: "A file of `rulesDir` holds the definition: it changes, and goes, with the file.",
    provokes: "DELETE /rules/{id} of a rule that stands in a file of rulesDir",
  },
  E713: {
    stage: "admin",
    title: "Rules of the folder refused",
    explanation:
      "A file of `rulesDir` cannot be used. Nothing of the folder is applied, and the set before it goes on.",
    provokes: "a rule without an id in a file of rulesDir",
  },
  E716: {
    stage: "admin",
    title: "Certificate refused",
    explanation:
      "A file of a server's certificate cannot be read or used. While the agent runs, the old one stays in use.",
    provokes: "tls.keyFile with the key of another certificate",
  },
} as const satisfies Record<string, CodeEntry>;

/** A code of the table. */
export type Code = keyof typeof codes;
