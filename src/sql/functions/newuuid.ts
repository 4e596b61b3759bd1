import { defineFunction } from "./declare.ts";

export const newuuid = defineFunction({
  name: "newuuid",
  category: "other",
  returns: "string",
  nulls: "sees",
  impure: true,
  params: [],
  doc: "A new UUID that begins with the processing time (version 7), so that later ones sort behind earlier ones.",
  examples: [{ sql: "newuuid(1)", fails: "E203" }],
  compile: (_, context) => () => {
    const digits = (count: number) => {
      return Math.floor(context.random() * 16 ** count).toString(16).padStart(count, "0");
    };
    const time = Math.trunc(context.now).toString(16).padStart(12, "0");
    const variant = "89ab"[Math.floor(context.random() * 4)];
    return `${time.slice(0, 8)}-${time.slice(8)}-7${digits(3)}-${variant}${digits(3)}-${digits(6)}${digits(6)}`;
  },
});
