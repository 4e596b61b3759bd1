/**
 * Settings as a file would have them, to be shown.
 * @module
 */
import { type AgentConfig, type ListenAddress, secretSettings } from "./schema.ts";

/** `127.0.0.1:9081`, `[::1]:9081`. */
export function listenText({ hostname, port }: ListenAddress): string {
  return `${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`;
}

/**
 * What a file with all of these settings would hold. Durations are milliseconds.
 *
 * @param hide what stands in the place of a secret; the settings of connectors have to be hidden by those who know them
 */
export function writtenConfig(config: AgentConfig, hide: string): Record<string, unknown> {
  const { listen, dataDir, ...rest } = config;
  const written: Record<string, unknown> = structuredClone({
    listen: listenText(listen),
    ...(dataDir === undefined ? {} : { dataDir }),
    ...rest,
  });
  for (const path of secretSettings) {
    const steps = path.split(".");
    const name = steps.pop()!;
    const section = steps.reduce<unknown>((at, step) => (at as Record<string, unknown>)[step], written);
    const settings = section as Record<string, unknown>;
    if (settings[name] !== undefined) settings[name] = hide;
  }
  return written;
}
