/**
 * Functions that choose among values, and `fail`.
 * @module
 */
import { isTrue } from "../go_value.ts";
import { fail } from "../run.ts";
import { type Category, defineFunction, type TemplateFunction } from "./declare.ts";

const category: Category = "logic";

export const choiceFunctions: readonly TemplateFunction[] = [
  defineFunction({
    name: "default",
    category,
    doc: "The second argument, or the first when that is empty.",
    example: { template: '{{.name | default "unnamed"}}', data: {}, gives: "unnamed" },
    params: ["any", "any"],
    optional: 1,
    run: (_run, preset, value) => isTrue(value) ? value : preset,
  }),
  defineFunction({
    name: "empty",
    category,
    doc: "True for nil, `false`, 0, and empty texts, lists and maps.",
    example: { template: "{{empty .a}}", data: { a: 0n }, gives: "true" },
    params: ["any"],
    run: (_run, value) => !isTrue(value),
  }),
  defineFunction({
    name: "coalesce",
    category,
    doc: "The first argument that is not empty.",
    example: { template: '{{coalesce .a .b "none"}}', data: { a: "", b: "x" }, gives: "x" },
    params: [],
    rest: "any",
    run: (_run, ...values) => values.find(isTrue),
  }),
  defineFunction({
    name: "all",
    category,
    doc: "True when no argument is empty.",
    example: { template: "{{all 1 .a}}", data: { a: "" }, gives: "false" },
    params: [],
    rest: "any",
    run: (_run, ...values) => values.every(isTrue),
  }),
  defineFunction({
    name: "any",
    category,
    doc: "True when an argument is not empty.",
    example: { template: "{{any 0 .a}}", data: { a: "x" }, gives: "true" },
    params: [],
    rest: "any",
    run: (_run, ...values) => values.some(isTrue),
  }),
  defineFunction({
    name: "ternary",
    category,
    doc: "The first argument when the third is true, else the second.",
    example: { template: '{{.on | ternary "on" "off"}}', data: { on: true }, gives: "on" },
    params: ["any", "any", "bool"],
    run: (_run, yes, no, condition) => condition ? yes : no,
  }),
  defineFunction({
    name: "fail",
    category,
    doc: "Refuses the row with a message.",
    example: { template: '{{if not .id}}{{fail "no id"}}{{end}}{{.id}}', data: { id: "a" }, gives: "a" },
    params: ["string"],
    run: (_run, message) => fail(message.slice(0, 1000)),
  }),
];
