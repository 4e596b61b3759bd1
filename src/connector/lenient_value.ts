/**
 * One value of a setting: from the way a person wrote it to what the schema wants, and what to say when that fails.
 * @module
 */
import type * as v from "valibot";
import { parseGoDuration } from "../value/go_duration.ts";

/** A valibot schema with the members that lead to its parts; which of them exist depends on `type`. */
export type Block = v.GenericSchema & {
  readonly pipe?: readonly (Block | PipeAction)[];
  readonly wrapped?: Block;
  readonly item?: Block;
  readonly value?: Block;
  readonly options?: readonly (string | number)[];
  readonly entries?: Readonly<Record<string, Block>>;
};

interface PipeAction {
  readonly kind: "validation" | "transformation" | "metadata";
  readonly type: string;
  readonly requirement?: unknown;
  readonly metadata?: unknown;
}

const shownCharactersMax = 60;

/** The schema behind `optional`, `nullable` and their like. */
export function unwrap(schema: Block): Block {
  return schema.wrapped === undefined ? schema : unwrap(schema.wrapped);
}

/** True for objects as JSON and YAML make them. */
export function isPlainObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !ArrayBuffer.isView(value);
}

/** Turns lenient spellings into the kind of value `schema` wants; anything else stays for the schema to refuse. */
export function coerce(schema: Block, raw: unknown): unknown {
  const inner = unwrap(schema);
  switch (inner.type) {
    case "number":
      return coerceNumber(raw, durationOf(inner)) ?? raw;
    case "boolean":
      return typeof raw === "string" ? coerceFlag(raw) : raw;
    case "string":
      return typeof raw === "number" || typeof raw === "boolean" ? String(raw) : raw;
    case "picklist":
      return coerceChoice(inner.options ?? [], raw);
    case "array":
      return splitList(inner.item!, raw).map((item) => coerce(inner.item!, item));
    case "record":
      if (!isPlainObject(raw)) return raw;
      return Object.fromEntries(Object.entries(raw).map(([key, value]) => [key, coerce(inner.value!, value)]));
    case "strict_object":
      if (!isPlainObject(raw)) return raw;
      return Object.fromEntries(
        Object.entries(raw).map(([key, value]) => coerceEntry(inner.entries ?? {}, key, value)),
      );
    default:
      return raw;
  }
}

function coerceEntry(entries: Readonly<Record<string, Block>>, key: string, value: unknown): [string, unknown] {
  const name = Object.keys(entries).find((name) => name.toLowerCase() === key.toLowerCase());
  return name === undefined ? [key, value] : [name, coerce(entries[name]!, value)];
}

function coerceNumber(raw: unknown, duration: DurationFacts | undefined): number | undefined {
  const unit = duration?.bare === "seconds" ? 1000 : 1;
  if (typeof raw === "number") return raw * unit;
  if (typeof raw !== "string") return undefined;
  const text = raw.trim();
  if (/^[+-]?\d+(\.\d+)?$/.test(text)) return Number(text) * unit;
  return duration === undefined ? undefined : parseGoDuration(text);
}

function coerceFlag(text: string): boolean | string {
  const lower = text.trim().toLowerCase();
  return lower === "true" ? true : lower === "false" ? false : text;
}

function coerceChoice(choices: readonly (string | number)[], raw: unknown): unknown {
  if (typeof raw !== "string" && typeof raw !== "number") return raw;
  const wanted = String(raw).trim().toLowerCase();
  return choices.find((choice) => String(choice).toLowerCase() === wanted) ?? raw;
}

function splitList(item: Block, raw: unknown): unknown[] {
  if (Array.isArray(raw)) return raw;
  const holdsText = ["string", "number", "picklist", "boolean"].includes(unwrap(item).type);
  if (typeof raw !== "string" || !holdsText) return [raw];
  return raw.split(",").map((part) => part.trim()).filter((part) => part !== "");
}

/** Every action in the pipe of `schema`, inner pipes first. */
function actionsOf(schema: Block): PipeAction[] {
  return (schema.pipe ?? []).flatMap((part, i) => {
    if (part.kind !== "schema") return [part];
    // The first item of a pipe is the schema itself, without or with a pipe of its own.
    return i === 0 ? actionsOf(part as Block) : [];
  });
}

/** What the metadata of a duration says. */
interface DurationFacts {
  readonly duration?: boolean;
  readonly bare?: "seconds";
}

function durationOf(schema: Block): DurationFacts | undefined {
  return actionsOf(schema)
    .map((action) => action.type === "metadata" ? action.metadata as DurationFacts : undefined)
    .find((facts) => facts?.duration === true);
}

/** What `schema` accepts, in words: `a whole number from 0 to 65535`. */
export function describe(schema: Block): string {
  const inner = unwrap(schema);
  switch (inner.type) {
    case "number":
      return describeNumber(inner);
    case "boolean":
      return "true or false";
    case "string":
      return actionsOf(inner).some((action) => action.type === "non_empty") ? "a text that is not empty" : "a text";
    case "picklist":
      return oneOf(inner.options ?? []);
    case "array":
      return `a list, each item ${describe(inner.item!)}`;
    case "record":
    case "strict_object":
      return "an object";
    default:
      return inner.expects;
  }
}

function describeNumber(schema: Block): string {
  const actions = actionsOf(schema);
  const limit = (type: string) => actions.find((action) => action.type === type)?.requirement as number | undefined;
  const facts = durationOf(schema);
  const duration = facts !== undefined;
  const whole = actions.some((action) => action.type === "integer");
  const noun = duration
    ? `a duration such as "10s", or ${facts.bare ?? "milliseconds"}`
    : whole
    ? "a whole number"
    : "a number";
  const unit = duration ? " ms" : "";
  const [min, max] = [limit("min_value") ?? -Infinity, limit("max_value") ?? Infinity];
  const bounded = max < Number.MAX_SAFE_INTEGER;
  if (min > Number.MIN_SAFE_INTEGER && bounded) return `${noun} from ${min} to ${max}${unit}`;
  if (bounded) return `${noun} up to ${max}${unit}`;
  return min > Number.MIN_SAFE_INTEGER && !(duration && min === 0) ? `${noun} from ${min}${unit} on` : noun;
}

function oneOf(choices: readonly (string | number)[]): string {
  const texts = choices.map((choice) => choice === "" ? '""' : String(choice));
  const last = texts.at(-1) ?? "nothing";
  return texts.length < 2 ? last : `${texts.slice(0, -1).join(", ")} or ${last}`;
}

/** The schema of the part of a value that `steps` lead to. */
export function schemaAt(schema: Block, steps: readonly string[]): Block {
  return steps.reduce((at, step) => {
    const inner = unwrap(at);
    return inner.item ?? inner.value ?? inner.entries?.[step] ?? inner;
  }, schema);
}

/** A value for a message: short, and without the password of a URL. */
export function show(value: unknown): string {
  if (value === undefined) return "nothing";
  const text = (JSON.stringify(value) ?? String(value)).replace(/(:\/\/)[^/@\s"]*@/g, "$1…@");
  return text.length > shownCharactersMax ? `${text.slice(0, shownCharactersMax)}…` : text;
}
