/**
 * `/metadata`: what there is to choose from, named settings of sources, sinks and connections, and whether a peer can be
 * reached.
 * @module
 */
import type { Hono } from "hono";
import { ConnectorList, type ConnectorRole } from "../connector/connector_list.ts";
import type { Connector } from "../connector/declare.ts";
import { fail } from "../diagnostics/diagnostic.ts";
import { didYouMean } from "../diagnostics/suggest.ts";
import type { SqlFunction } from "../sql/functions/declare.ts";
import { functionGroups, listOf, operators, sinkForm, sourceForm } from "./catalogue.ts";
import { type ConfigRegistry, type ConfigRole, parseSettings } from "../runtime/configs.ts";
import { type AdminEnv, errorCodes, failing } from "./failure.ts";
import { pathName } from "./path.ts";
import { empty, json } from "./reply.ts";
import type { Actor } from "../policy/actor.ts";
import type { Settings } from "../runtime/secrets.ts";

const roles: readonly ConfigRole[] = ["source", "sink", "connection"];

export interface MetadataOptions {
  readonly configs: ConfigRegistry;
  readonly connectors?: ConnectorList;
  readonly functions?: readonly SqlFunction[];
  /** Throws DiagnosticError E707 or E708. Without it no peer can be asked. */
  readonly reach?: (
    role: "source" | "sink" | "lookup",
    type: string,
    settings: Settings,
    actor?: Actor,
  ) => Promise<void>;
}

export function metadataRoutes(app: Hono<AdminEnv>, options: MetadataOptions): void {
  const { configs } = options;
  const failure = failing({
    prefix: "Invalid confKey",
    configuration: errorCodes.configuration,
    other: errorCodes.configuration,
  });
  for (const role of roles) {
    app.get(`/metadata/${role}s/yaml/:type`, failure, async (c) => {
      const type = pathName(c, "type");
      return json(c, await configs.loading(() => configs.confKeys(role, type)));
    });

    app.put(`/metadata/${role}s/:type/confKeys/:key`, failure, async (c) => {
      const settings = parseSettings(await c.req.text());
      await configs.loading(() => configs.putConfKey(role, pathName(c, "type"), pathName(c, "key"), settings));
      return empty(c);
    });

    app.delete(`/metadata/${role}s/:type/confKeys/:key`, failure, (c) => {
      configs.deleteConfKey(role, pathName(c, "type"), pathName(c, "key"));
      return empty(c);
    });
  }

  catalogueRoutes(app, options);

  const { reach = cannotAsk } = options;
  const unreached = failing({ configuration: errorCodes.configuration, codes: { E708: errorCodes.io } });
  for (const role of ["source", "sink", "lookup"] as const) {
    app.post(`/metadata/${role}s/connection/:type`, unreached, async (c) => {
      const body = await c.req.text();
      await reach(role, pathName(c, "type"), body === "" ? {} : parseSettings(body), c.get("principal"));
      return empty(c);
    });
  }
}

function catalogueRoutes(
  app: Hono<AdminEnv>,
  { configs, connectors = new ConnectorList([]), functions = [] }: MetadataOptions,
): void {
  const failure = failing({ configuration: errorCodes.undefined });
  const kindOf = (lookup: string | undefined) => lookup === "lookup" ? "lookups" as const : "sources" as const;

  app.get("/metadata/sources", async (c) => {
    return json(c, listOf(kindOf(c.req.query("kind")), await connectors.all()));
  });
  app.get("/metadata/sinks", async (c) => json(c, listOf("sinks", await connectors.all())));
  app.get("/metadata/connections", async (c) => json(c, listOf("connections", await connectors.all())));
  app.get("/metadata/functions", (c) => json(c, functionGroups(functions)));
  app.get("/metadata/operators", (c) => json(c, operators()));

  app.get("/metadata/sources/:type", failure, async (c) => {
    const kind = kindOf(c.req.query("kind"));
    const connector = await connectorOf(connectors, pathName(c, "type"), kind === "lookups" ? "lookup" : "source");
    return json(c, sourceForm(connector, kind, configs.confKeys("source", connector.name)));
  });
  app.get("/metadata/connections/:type", failure, async (c) => {
    const connector = await connectorOf(connectors, pathName(c, "type"), "connection");
    return json(c, sourceForm(connector, "connections", configs.confKeys("connection", connector.name)));
  });
  app.get("/metadata/sinks/:type", failure, async (c) => {
    return json(c, sinkForm(await connectorOf(connectors, pathName(c, "type"), "sink")));
  });

  app.get("/metadata/resources", async (c) => {
    await connectors.all();
    const of = (role: "source" | "sink") =>
      connectors.names(role).flatMap((name) =>
        Object.keys(configs.confKeys(role, name)).map((key) => ({ [key]: name }))
      );
    return json(c, { sources: of("source"), sinks: of("sink") });
  });
}

function cannotAsk(role: string, type: string): never {
  fail("E707", `${role === "lookup" ? "lookup source" : role} ${type} doesn't support ping connection`);
}

/** @throws {DiagnosticError} E405 */
async function connectorOf(connectors: ConnectorList, type: string, role: ConnectorRole): Promise<Connector> {
  const names = connectors.names(role);
  const name = names.find((each) => each.toLowerCase() === type.toLowerCase());
  if (name === undefined) {
    fail("E405", `Unknown ${role} type "${type}"`, {
      hint: didYouMean(type, names) ?? `this version has ${names.join(", ")}`,
    });
  }
  return await connectors.loading(() => connectors.find(name, role)!);
}
