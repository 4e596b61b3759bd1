/**
 * Settings of actions that may differ from row to row: a text with `{{…}}` in it is a template.
 * @module
 */
import type { Struct } from "../value/value.ts";
import { compileTemplate, isTemplate, type Template, type TemplateOptions } from "./template.ts";

/** A setting that is compiled: `constant` when no row changes it. */
export interface DynamicProperty<T> {
  /** The value, when it is the same for every row. */
  readonly constant: T | undefined;
  /** The value for a row, or for a list of rows. @throws {RowError} E516 */
  value(data: Struct | Struct[]): T;
}

/**
 * A text that may be a template.
 *
 * @throws {DiagnosticError} E409 when it is a template with mistakes.
 */
export function dynamicText(text: string, options: TemplateOptions = {}): DynamicProperty<string> {
  if (!isTemplate(text)) return { constant: text, value: () => text };
  return { constant: undefined, value: compileTemplate(text, options) };
}

/**
 * Settings of any shape, such as `headers`: every text inside them may be a template; keys and all else stay. What holds
 * no template is handed out as it is, the same object for every row.
 *
 * @throws {DiagnosticError} E409, with the path of the setting inside `options.path`.
 */
export function dynamicSettings<T>(settings: T, options: TemplateOptions = {}): DynamicProperty<T> {
  const fill = filler(settings, options);
  if (fill === undefined) return { constant: settings, value: () => settings };
  // What is filled in has the shape of the settings: texts stay texts.
  return { constant: undefined, value: (data) => fill(data) as T };
}

/** Gives the settings for a row, or undefined when nothing in them is a template. */
function filler(
  settings: unknown,
  options: TemplateOptions,
): Template | ((data: Struct | Struct[]) => unknown) | undefined {
  if (typeof settings === "string") return isTemplate(settings) ? compileTemplate(settings, options) : undefined;
  if (typeof settings !== "object" || settings === null) return undefined;
  const isPlain = Array.isArray(settings) || Object.getPrototypeOf(settings) === Object.prototype;
  if (!isPlain) return undefined;
  const parts = Object.entries(settings).map(([key, value]) => {
    const path = options.path === undefined ? key : `${options.path}.${key}`;
    return { key, value, fill: filler(value, { ...options, path }) };
  });
  if (parts.every(({ fill }) => fill === undefined)) return undefined;
  return (data) => {
    const filled = parts.map(({ key, value, fill }) => [key, fill === undefined ? value : fill(data)] as const);
    return Array.isArray(settings) ? filled.map(([, value]) => value) : Object.fromEntries(filled);
  };
}
