/**
 * `/metadata/…/confKeys`: named settings of sources, sinks and connections.
 * @module
 */
import type { Hono } from "hono";
import { type ConfigRegistry, type ConfigRole, parseSettings } from "../runtime/configs.ts";
import { type AdminEnv, errorCodes, failing } from "./failure.ts";
import { pathName } from "./path.ts";
import { empty, json } from "./reply.ts";

const roles: readonly ConfigRole[] = ["source", "sink", "connection"];

export function metadataRoutes(app: Hono<AdminEnv>, configs: ConfigRegistry): void {
  const failure = failing({
    prefix: "Invalid confKey",
    configuration: errorCodes.configuration,
    other: errorCodes.configuration,
  });
  for (const role of roles) {
    app.get(`/metadata/${role}s/yaml/:type`, failure, (c) => {
      const type = pathName(c, "type");
      return json(c, configs.confKeys(role, type));
    });

    app.put(`/metadata/${role}s/:type/confKeys/:key`, failure, async (c) => {
      configs.putConfKey(role, pathName(c, "type"), pathName(c, "key"), parseSettings(await c.req.text()));
      return empty(c);
    });

    app.delete(`/metadata/${role}s/:type/confKeys/:key`, failure, (c) => {
      configs.deleteConfKey(role, pathName(c, "type"), pathName(c, "key"));
      return empty(c);
    });
  }
}
