/**
 * Finds out which engine runs this process and loads its {@linkcode Platform}.
 *
 * @example
 * ```ts ignore
 * const platform = await loadPlatform();
 * const server = await platform.serve({ hostname: "127.0.0.1", port: 9081, maxBodyBytes: 1 << 20 }, app.fetch);
 * ```
 * @module
 */
import type { Platform } from "./platform.ts";

/** Throws when the engine is neither Bun nor Deno. */
export async function loadPlatform(): Promise<Platform> {
  if ("Bun" in globalThis) return (await import("./bun.ts")).bunPlatform();
  if ("Deno" in globalThis) return (await import("./deno.ts")).denoPlatform();
  throw new Error("Cannot start weir: found neither Bun nor Deno; use the released binary, or `deno task dev`");
}
