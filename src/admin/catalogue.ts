/**
 * What there is to choose from, for user interfaces that build forms: connectors with their settings, functions, steps of
 * graphs. Everything comes from declarations; the shapes are eKuiper's.
 * @module
 */
import type * as v from "valibot";
import type { Connector, SettingsSchema } from "../connector/declare.ts";
import { type Block, isPlainObject, unwrap } from "../connector/lenient_value.ts";
import { factsOf, isSecretName } from "../connector/settings.ts";
import * as valibot from "valibot";
import { actionSettings } from "../runtime/action_settings.ts";
import { lookupSettings } from "../runtime/lookup_settings.ts";
import { sourceSettings } from "../runtime/source_settings.ts";
import type { Category, Param, SqlFunction } from "../sql/functions/declare.ts";
import { operatorTypes } from "../sql/graph/graph.ts";
import { mask, type Settings } from "../runtime/secrets.ts";

/** A text in the languages of eKuiper's forms; weir speaks one. */
interface Translated {
  readonly en_US: string;
  readonly zh_CN: string;
}

/** One field of a form. */
export interface FormField {
  readonly exist: boolean;
  readonly name: string;
  /** The value when it is left out; for an object, the fields inside. */
  readonly default: unknown;
  readonly type: "string" | "int" | "float" | "bool" | "list_string" | "list_object" | "object";
  readonly control: "text" | "radio" | "select" | "list" | "password";
  /** It belongs to the connection, which may be a named one. */
  readonly connection_related: boolean;
  readonly optional: boolean;
  readonly values: readonly unknown[];
  readonly hint: Translated;
  readonly label: Translated;
}

interface About {
  readonly trial: boolean;
  readonly installed: boolean;
  readonly author: {
    readonly name: string;
    readonly email: string;
    readonly company: string;
    readonly website: string;
  };
  readonly helpUrl: Translated;
  readonly description: Translated;
}

function translated(text: string): Translated {
  return { en_US: text, zh_CN: text };
}

function about(description: string, page: string): About {
  return {
    trial: false,
    installed: true,
    author: { name: "weir", email: "", company: "", website: "" },
    helpUrl: translated(page),
    description: translated(description),
  };
}

function aboutConnector({ name, summary }: Connector): About {
  return about(summary, `docs/reference/connectors/${name}.md`);
}

export type CatalogueKind = "sources" | "lookups" | "sinks" | "connections";

const roleOf = { sources: "source", lookups: "lookup", sinks: "sink", connections: "connection" } as const;

/** Every connector that has the role: `[{name, about, type}]`. */
export function listOf(kind: CatalogueKind, connectors: readonly Connector[]): unknown[] {
  return connectors.filter((connector) => connector[roleOf[kind]] !== undefined)
    .map((connector) => ({ name: connector.name, about: aboutConnector(connector), type: "internal" }));
}

/**
 * The forms of a source or lookup: one for each confKey, with what it holds as defaults.
 *
 * @param confKeys as they may be shown
 */
export function sourceForm(
  connector: Connector,
  kind: "sources" | "lookups" | "connections",
  confKeys: Readonly<Record<string, Settings>>,
): unknown {
  const role = connector[roleOf[kind]]!;
  const datasource = (role.settings as SettingsSchema).entries.datasource as Block | undefined;
  const fields = fieldsOf(
    connector,
    role.settings,
    {
      sources: [sourceSettings],
      lookups: [lookupSettings],
      connections: [],
    }[kind],
  );
  const forms = Object.entries({ default: {}, ...confKeys }).map(([key, settings]) => [key, filled(fields, settings)]);
  return {
    about: aboutConnector(connector),
    libs: [],
    ...(datasource === undefined ? {} : { dataSource: field("datasource", datasource, false) }),
    properties: Object.fromEntries(forms),
    node: nodeOf(connector, kind),
    type: "internal",
  };
}

/** The form of a sink; the properties that every action has stand last. */
export function sinkForm(connector: Connector): unknown {
  return {
    about: aboutConnector(connector),
    libs: [],
    properties: fieldsOf(connector, connector.sink!.settings, [actionSettings]),
    node: nodeOf(connector, "sinks"),
    type: "internal",
  };
}

function nodeOf({ name }: Connector, kind: CatalogueKind): unknown {
  return { category: roleOf[kind], icon: "iconPath", label: translated(name) };
}

/** What streams set by options of their own is no field. */
const options = ["datasource", "format", "key", "delimiter"];

function fieldsOf(connector: Connector, schema: SettingsSchema, common: readonly SettingsSchema[]): FormField[] {
  const connection = connector.connection?.settings;
  const fields = new Map<string, FormField>();
  const add = (from: SettingsSchema | undefined, isConnection: boolean) => {
    for (const [name, block] of Object.entries((from?.entries ?? {}) as Record<string, Block>)) {
      const facts = factsOf(block);
      if (facts.ignored === true || facts.unsupported === true || fields.has(name)) continue;
      if (schema !== connector.sink?.settings && options.includes(name)) continue;
      fields.set(name, field(name, block, isConnection));
    }
  };
  add(connection, true);
  add(schema, false);
  for (const each of common) add(each, false);
  return [...fields.values()];
}

function field(name: string, block: Block, isConnection: boolean): FormField {
  const inner = unwrap(block);
  const type = typeOf(inner);
  const absent = valibot.safeParse(block, undefined);
  const values = inner.type === "picklist" ? [...(inner.options ?? [])] : type === "bool" ? [true, false] : [];
  const isSecret = factsOf(block).secret === true || isSecretName(name);
  return {
    exist: true,
    name,
    default: type === "object" && inner.entries !== undefined
      ? Object.entries(inner.entries).map(([part, each]) => field(part, each, isConnection))
      : absent.success
      ? absent.output ?? null
      : null,
    type,
    control: type === "bool"
      ? "radio"
      : values.length > 0
      ? "select"
      : type === "list_string" || type === "list_object" || type === "object"
      ? "list"
      : isSecret
      ? "password"
      : "text",
    connection_related: isConnection,
    optional: absent.success,
    values,
    hint: translated(valibot.getDescription(inner as v.GenericSchema) ?? ""),
    label: translated(name),
  };
}

function typeOf(block: Block): FormField["type"] {
  switch (block.type) {
    case "boolean":
      return "bool";
    case "number":
      return isWhole(block) ? "int" : "float";
    case "picklist":
      return typeof block.options?.[0] === "number" ? "int" : "string";
    case "array":
      return ["strict_object", "object", "record"].includes(unwrap(block.item!).type) ? "list_object" : "list_string";
    case "record":
    case "strict_object":
    case "object":
      return "object";
    default:
      return "string";
  }
}

function isWhole(block: Block): boolean {
  return factsOf(block).duration === true ||
    (block.pipe ?? []).some((part) =>
      part.type === "integer" || (part.kind === "schema" && "pipe" in part && isWhole(part as Block))
    );
}

/** The fields with the values of a confKey as defaults. */
function filled(fields: readonly FormField[], settings: Settings): FormField[] {
  const given = new Map(Object.entries(settings).map(([name, value]) => [name.toLowerCase(), value]));
  return fields.map((each) => {
    const value = given.get(each.name.toLowerCase());
    if (value === undefined) return each;
    if (isPlainObject(value) && Array.isArray(each.default)) {
      return { ...each, default: filled(each.default as FormField[], value) };
    }
    return { ...each, default: value === mask ? mask : value };
  });
}

// ---------------------------------------------------------------- functions and steps

const groups: Readonly<Record<Category, string>> = {
  aggregate: "Aggregate functions",
  analytic: "Analytic functions",
  math: "Mathematical functions",
  text: "Text functions",
  array: "Array functions",
  time: "Date and time functions",
  object: "Object functions",
  hashing: "Hashing functions",
  transform: "Transformation functions",
  json: "JSON functions",
  other: "Other functions",
};

/** Groups of functions, each with its functions. */
export function functionGroups(functions: readonly SqlFunction[]): unknown[] {
  return Object.entries(groups).map(([category, title]) => ({
    name: `${category}Functions`,
    about: about(title, "docs/reference/functions.md"),
    version: "",
    functions: functions.filter((each) => each.category === category).map((each) => ({
      name: each.name,
      example: each.examples[0]?.sql ?? `${each.name}(${each.params.map(({ name }) => name).join(", ")})`,
      hint: translated(each.doc),
      args: each.params.map(argumentOf),
      outputs: [{ name: "output", type: typeof each.returns === "string" ? each.returns : "any" }],
      aggregate: category === "aggregate",
      node: { category: "function", icon: "iconPath", label: translated(each.name) },
    })),
  }));
}

function argumentOf({ name, type, optional = false, variadic = false }: Param): unknown {
  return { name, type, optional, control: "text", variadic, hint: translated(""), label: translated(name) };
}

const stepTexts: Readonly<Record<typeof operatorTypes[number], string>> = {
  watermark: "Puts rows in the order of their time.",
  function: "Adds the result of a function to each row.",
  aggfunc: "Adds the result of an aggregate function to each list.",
  filter: "Keeps rows for which an expression is true.",
  pick: "Picks and computes columns.",
  window: "Gathers rows into windows.",
  join: "Joins the rows of several nodes.",
  groupby: "Makes a list for each key.",
  orderby: "Sorts a list.",
  switch: "Sends rows to different nodes.",
  script: "Runs a script for each row or list.",
};

/** The steps that graphs are made of. */
export function operators(): unknown[] {
  return operatorTypes.map((name) => ({
    name,
    about: about(stepTexts[name], "docs/graph-rules.md"),
    properties: [],
    node: { category: "operator", icon: "iconPath", label: translated(name) },
  }));
}
