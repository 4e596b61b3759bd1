import { RowError } from "../../diagnostics/row_error.ts";
import { defineFunction, text } from "./declare.ts";

export const props = defineFunction({
  name: "props",
  category: "other",
  returns: "unknown",
  nulls: "propagate",
  impure: true,
  params: [text("key")],
  doc: "The value of a system property, which stands under `properties` in the configuration.",
  examples: [
    { sql: "props('site')", gives: "north" },
    { sql: "props(x)", gives: null },
    { sql: "props('nosuch')", fails: "E506" },
  ],
  compile: (_, context) => (key) => {
    const { properties } = context;
    if (properties === undefined || !Object.hasOwn(properties, key)) {
      throw new RowError("E506", `props() knows no property "${key}"`);
    }
    return properties[key];
  },
});
