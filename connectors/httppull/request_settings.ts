/**
 * The settings that source and lookup make requests of.
 * @module
 */
import type { InferOutput } from "valibot";
import type { lookupSettings } from "./mod.ts";

export type RequestSettings = InferOutput<typeof lookupSettings>;

/**
 * The URL with what DATASOURCE appends to it. Between a host or path and a path that begins without one there is a slash.
 */
export function urlOf({ url, datasource = "" }: Pick<RequestSettings, "url" | "datasource">): string {
  if (datasource === "" || url.includes("?")) return url + datasource;
  if (url.endsWith("/") && datasource.startsWith("/")) return url + datasource.slice(1);
  return url.endsWith("/") || /^[/?#]/.test(datasource) ? url + datasource : `${url}/${datasource}`;
}
