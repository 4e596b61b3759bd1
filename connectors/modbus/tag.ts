/**
 * A tag: one named value of a device, where it stands and what it means. Tags are settings, one object each, in our
 * words or in those of KubeEdge's visitors.
 *
 * @example
 * ```ts
 * const source = v.strictObject({ tags: tagList({ description: "The values to read." }) });
 * const { tags } = readSettings(source, {
 *   tags: [
 *     { name: "voltage", register: "input", address: 30, type: "uint16", scale: 0.1, unit: "V" },
 *     { name: "energy", register: "HoldingRegister", offset: 12, limit: 2, isRegisterSwap: true },
 *   ],
 * }, { path: "", where: "modbus source" });
 * resolveTags(tags, defaults);
 * ```
 * @module
 */
import * as v from "valibot";
import { choice, duration, flag, integer, refuseSetting, text } from "../../src/connector/settings.ts";
import type { Order, WordFormat } from "./register_values.ts";
import { isInteger, wordsOf } from "./register_values.ts";

/** What a device keeps: bits and registers, each to read only or also to write. */
export type RegisterKind = "coil" | "discrete" | "input" | "holding";

/** When a value makes a row: with every cycle, or when it has changed by more than its deadband. */
export type Report = "cycle" | "change";

export interface Tag {
  /** The column. */
  readonly name: string;
  readonly unitId: number;
  readonly register: RegisterKind;
  /** As on the wire: the first register of each kind is 0. */
  readonly address: number;
  /** How many registers, or bits of a coil or discrete input. */
  readonly count: number;
  /** Undefined for a coil or discrete input. */
  readonly format: WordFormat | undefined;
  readonly scale: number;
  readonly offset: number;
  /** What the value counts, such as `V`; empty when unknown. */
  readonly unit: string;
  /** The largest change that does not count as one. */
  readonly deadband: number;
  readonly report: Report;
  readonly intervalMs: number;
  /** The smallest and the largest value that may be written; undefined without limit. */
  readonly min?: number;
  readonly max?: number;
}

/** What holds for tags that do not say it themselves. */
export interface TagDefaults {
  readonly unitId: number;
  /** The number that the documentation of the device gives to the first register of each kind. */
  readonly addressBase: 0 | 1;
  readonly byteOrder: Order;
  readonly wordOrder: Order;
  readonly report: Report;
  readonly intervalMs: number;
}

/** KubeEdge's names, with ours. */
const VISITOR_REGISTERS: Readonly<Record<string, RegisterKind>> = {
  CoilRegister: "coil",
  DiscreteInputRegister: "discrete",
  InputRegister: "input",
  HoldingRegister: "holding",
};

/** Types of a device model of KubeEdge, by the number of registers they take. */
const VISITOR_TYPES: Readonly<Record<string, Readonly<Record<number, WordFormat["type"]>>>> = {
  int: { 1: "int16", 2: "int32", 4: "int64" },
  float: { 1: "int16", 2: "float32", 4: "float64" },
  double: { 1: "int16", 2: "float32", 4: "float64" },
  boolean: { 1: "bool" },
};

const registers = ["coil", "discrete", "input", "holding", ...Object.keys(VISITOR_REGISTERS)] as const;
const ownTypes = [
  "bool",
  "bit",
  "int16",
  "int32",
  "int64",
  "uint16",
  "uint32",
  "uint64",
  "float32",
  "float64",
  "string",
  "bcd16",
  "bcd32",
] as const;
const types = [...ownTypes, "int", "float", "double", "boolean"] as const;
const orders = ["big", "little"] as const;

/** The longest string that one read can bring: 125 registers. */
const stringBytesMax = 250;
const addressMax = 65_535;

const entries = {
  name: text({ description: "Name of the column." }),
  register: choice(registers, {
    description: "Where the value stands: `coil`, `discrete` (input), `input` (register) or `holding` (register).",
  }),
  address: integer({
    description: "Number of the first register or bit, counted from `addressBase`.",
    optional: true,
    min: 0,
    max: addressMax + 1,
  }),
  type: choice(types, {
    description: "What the registers mean; `bit` is one of them in a word, a `string` needs its `length`. Coils and " +
      "discrete inputs are `bool`; registers without a type are `uint16`.",
    optional: true,
  }),
  bit: integer({
    description: "Of type `bit`: which one, 0 for the least significant.",
    optional: true,
    min: 0,
    max: 15,
  }),
  length: integer({ description: "Of type `string`: its bytes.", optional: true, min: 1, max: stringBytesMax }),
  unitId: integer({ description: "Unit that has the register.", optional: true, min: 0, max: 255 }),
  byteOrder: choice(orders, { description: "Which byte of a register comes first.", optional: true }),
  wordOrder: choice(orders, { description: "Which register of a value comes first.", optional: true }),
  scale: factor("The number is multiplied by it; with a fraction it becomes a float.", 1),
  offset: factor("Added to the scaled number. In KubeEdge's spelling the address.", undefined),
  unit: text({ description: "What the value counts, such as `V`.", default: "" }),
  deadband: v.optional(
    v.pipe(
      v.number(),
      v.minValue(0),
      v.description("Changes up to this size are not reported, with `report: change`."),
    ),
  ),
  report: choice(["cycle", "change"], { description: "When the value is given.", optional: true }),
  interval: duration({ description: "How often the value is read.", optional: true, min: 1 }),
  min: limit("Smallest value that may be written."),
  max: limit("Largest value that may be written."),
  limit: integer({ description: "KubeEdge: the number of registers.", optional: true, min: 1, max: 125 }),
  isSwap: flag({ description: "KubeEdge: `byteOrder` little.", optional: true }),
  isRegisterSwap: flag({ description: "KubeEdge: `wordOrder` little.", optional: true }),
  slaveID: integer({ description: "KubeEdge: `unitId`.", optional: true, min: 0, max: 255 }),
};

/** Settings of one tag. */
export const tagSettings = v.strictObject(
  entries,
  (issue) => issue.expected === "never" ? `a setting of a tag: ${Object.keys(entries).join(", ")}` : issue.message,
);

export type TagSettings = v.InferOutput<typeof tagSettings>;

function factor(
  description: string,
  absent: number | undefined,
): v.OptionalSchema<v.GenericSchema<number>, number | undefined> {
  return v.optional(v.pipe(v.number(), v.finite(), v.description(description)), absent);
}

function limit(description: string): v.OptionalSchema<v.GenericSchema<number>, undefined> {
  return v.optional(v.pipe(v.number(), v.finite(), v.description(description)));
}

/** A setting that is wrong beside the others: which one, and what it should be. */
interface Misfit {
  readonly key: keyof TagSettings;
  readonly wanted: string;
}

/** The block of a list of tags: at least one, each consistent in itself, no column twice. */
export function tagList(options: { readonly description: string }): v.GenericSchema<TagSettings[], TagSettings[]> {
  return v.pipe(
    v.array(tagSettings),
    v.minLength(1, "at least one tag"),
    v.rawCheck(({ dataset, addIssue }) => {
      if (!dataset.typed) return;
      const tags = dataset.value;
      const report = (index: number, { key, wanted }: Misfit) => {
        const tag = tags[index]!;
        addIssue({
          message: wanted,
          input: tag[key],
          path: [
            { type: "array", origin: "value", input: tags, key: index, value: tag },
            { type: "object", origin: "value", input: tag, key, value: tag[key] },
          ],
        });
      };
      const seen = new Set<string>();
      tags.forEach((tag, index) => {
        if (seen.has(tag.name)) report(index, { key: "name", wanted: "a name that no other tag has" });
        seen.add(tag.name);
        for (const misfit of misfitsOf(tag)) report(index, misfit);
      });
    }),
    v.description(options.description),
  ) as unknown as v.GenericSchema<TagSettings[], TagSettings[]>;
}

function misfitsOf(tag: TagSettings): Misfit[] {
  const found: Misfit[] = [];
  const unless = (good: boolean, key: keyof TagSettings, wanted: string) => void (good || found.push({ key, wanted }));
  const visitor = isVisitor(tag);
  if (visitor) {
    unless(tag.address === undefined, "address", `nothing: with register ${tag.register} the address is "offset"`);
    const offset = tag.offset;
    const whole = offset !== undefined && Number.isInteger(offset) && offset >= 0 && offset <= addressMax;
    unless(whole, "offset", `the address, a whole number from 0 to ${addressMax}`);
    unless(tag.slaveID === undefined || tag.unitId === undefined, "slaveID", 'nothing beside "unitId"');
  } else {
    unless(tag.address !== undefined, "address", `a whole number from 0 to ${addressMax + 1}`);
    const beside = (key: keyof TagSettings, wanted: string) => unless(tag[key] === undefined, key, wanted);
    beside("limit", 'nothing: the number of registers follows from "type"');
    beside("isSwap", '"byteOrder" instead');
    beside("isRegisterSwap", '"wordOrder" instead');
    beside("slaveID", '"unitId" instead');
    const generic = tag.type !== undefined && !(ownTypes as readonly string[]).includes(tag.type);
    unless(!generic, "type", `one of ${ownTypes.join(", ")}`);
    if (generic) return found;
  }
  unless(tag.scale !== 0, "scale", "a number other than 0");
  if (isBits(kindOf(tag))) {
    const flags = tag.type === undefined || tag.type === "bool" || visitor && tag.type === "boolean";
    unless(flags, "type", `bool, as a ${kindOf(tag)} is one bit`);
    unless((tag.limit ?? 1) === 1, "limit", "1: one bit for each tag");
  } else if (typeOf(tag) === undefined) {
    const counts = Object.keys(VISITOR_TYPES[tag.type ?? "int"] ?? {}).join(", ");
    if (counts !== "") unless(false, "limit", `a number of registers that ${tag.type ?? "int"} can have: ${counts}`);
  }
  const type = typeOf(tag);
  if (type === undefined) return found;
  unless(
    (type === "bit") === (tag.bit !== undefined),
    "bit",
    type === "bit" ? "0 to 15" : 'nothing without type "bit"',
  );
  const hasLength = tag.length !== undefined || visitor && tag.limit !== undefined;
  if (type === "string") unless(hasLength, "length", `the bytes of the string, 1 to ${stringBytesMax}`);
  else unless(tag.length === undefined, "length", 'nothing without type "string"');
  unless(
    tag.min === undefined || tag.max === undefined || tag.min <= tag.max,
    "max",
    `a number from min, ${tag.min}, on`,
  );
  const counts = isInteger(type) || type === "float32" || type === "float64";
  unless(counts || tag.scale === 1 || tag.scale === undefined, "scale", `nothing, as a ${type} is no number`);
  unless(counts || visitor || tag.offset === undefined, "offset", `nothing, as a ${type} is no number`);
  unless(counts || tag.deadband === undefined, "deadband", `nothing, as a ${type} is no number`);
  return found;
}

function isVisitor(tag: TagSettings): boolean {
  return tag.register in VISITOR_REGISTERS;
}

function kindOf(tag: TagSettings): RegisterKind {
  return VISITOR_REGISTERS[tag.register] ?? tag.register as RegisterKind;
}

export function isBits(register: RegisterKind): boolean {
  return register === "coil" || register === "discrete";
}

/** The type as `register_values.ts` knows it; undefined where KubeEdge's type does not go with its number of registers. */
function typeOf(tag: TagSettings): WordFormat["type"] | undefined {
  if (isBits(kindOf(tag))) return "bool";
  if (!isVisitor(tag)) return (tag.type ?? "uint16") as WordFormat["type"];
  const type = tag.type ?? "int";
  const byCount = VISITOR_TYPES[type];
  return byCount === undefined ? type as WordFormat["type"] : byCount[tag.limit ?? 1];
}

/**
 * Tags with everything said, out of settings that {@linkcode tagList} has accepted.
 *
 * @throws {DiagnosticError} E403 for an address that the base or the number of registers puts out of reach, and for a
 * deadband of a tag that is reported with every cycle.
 */
export function resolveTags(settings: readonly TagSettings[], defaults: TagDefaults): Tag[] {
  return settings.map((tag, index) => resolveTag(tag, `tags.${index}`, defaults));
}

function resolveTag(tag: TagSettings, path: string, defaults: TagDefaults): Tag {
  const register = kindOf(tag);
  const visitor = isVisitor(tag);
  const format = isBits(register) ? undefined : formatOf(tag, defaults);
  const count = format === undefined ? 1 : wordsOf(format);
  const address = visitor ? tag.offset! : tag.address! - defaults.addressBase;
  const addressKey = `${path}.${visitor ? "offset" : "address"}`;
  if (address < 0) refuseSetting(addressKey, `Tag "${tag.name}" has address 0, but addressBase is 1`);
  if (address + count - 1 > addressMax) {
    const last = addressMax + (visitor ? 0 : defaults.addressBase);
    refuseSetting(addressKey, `Tag "${tag.name}" ends behind the last register, which has address ${last}`);
  }
  const report = tag.report ?? (tag.deadband === undefined ? defaults.report : "change");
  if (tag.deadband !== undefined && report === "cycle") {
    refuseSetting(`${path}.deadband`, `Tag "${tag.name}" has a deadband, which needs report "change"`);
  }
  return {
    name: tag.name,
    unitId: tag.unitId ?? tag.slaveID ?? defaults.unitId,
    register,
    address,
    count,
    format,
    scale: tag.scale ?? 1,
    offset: visitor ? 0 : tag.offset ?? 0,
    unit: tag.unit,
    deadband: tag.deadband ?? 0,
    report,
    intervalMs: tag.interval ?? defaults.intervalMs,
    ...(tag.min === undefined ? {} : { min: tag.min }),
    ...(tag.max === undefined ? {} : { max: tag.max }),
  };
}

function formatOf(tag: TagSettings, defaults: TagDefaults): WordFormat {
  const swapped = (swap: boolean | undefined) => swap === undefined ? undefined : swap ? "little" : "big";
  const byteOrder = tag.byteOrder ?? swapped(tag.isSwap) ?? defaults.byteOrder;
  const wordOrder = tag.wordOrder ?? swapped(tag.isRegisterSwap) ?? defaults.wordOrder;
  const type = typeOf(tag)!;
  switch (type) {
    case "bool":
      return { type, byteOrder };
    case "bit":
      return { type, bit: tag.bit!, byteOrder };
    case "string":
      return { type, length: tag.length ?? tag.limit! * 2, byteOrder };
    default:
      return { type, byteOrder, wordOrder };
  }
}
