/**
 * `/connections`: named connections that several rules share.
 * @module
 */
import type { Hono } from "hono";
import type { ConnectionState } from "../connector/context.ts";
import { fail } from "../diagnostics/diagnostic.ts";
import type { ConfigRegistry, NamedConnection } from "../runtime/configs.ts";
import { maskSecrets } from "../runtime/secrets.ts";
import { type Body, objectField, readObject, textField } from "./body.ts";
import { type AdminEnv, errorCodes, failing } from "./failure.ts";
import { pathName } from "./path.ts";
import { json, sentence } from "./reply.ts";

interface LiveStatus {
  readonly state: ConnectionState;
  readonly error?: string;
  readonly refCount: number;
}

/** What the engine knows about connections that are open. */
export interface LiveConnections {
  /** Undefined for a connection that is not open. */
  status(id: string): LiveStatus | undefined;
  /** Ids of the rules that use a named connection. */
  usersOf(id: string): readonly string[];
  /** Opens a named connection that was created or changed; closes one that was deleted. */
  changed(id: string): Promise<void> | void;
  /** Connections that rules made for themselves. */
  anonymous(): readonly (NamedConnection & { readonly status: LiveStatus })[];
}

function fromBody(body: Body, id: string): NamedConnection {
  return { id, type: textField(body, "typ"), settings: objectField(body, "props") };
}

export function connectionRoutes(app: Hono<AdminEnv>, configs: ConfigRegistry, live?: LiveConnections): void {
  function describe(
    connection: NamedConnection,
    isNamed: boolean,
    status: LiveStatus | undefined,
  ): Record<string, unknown> {
    return {
      id: connection.id,
      typ: connection.type,
      props: maskSecrets(connection.settings),
      isNamed,
      status: status?.state ?? "disconnected",
      ...(status?.error === undefined || status.error === "" ? {} : { err: status.error }),
      ...(status === undefined ? {} : { refCount: status.refCount }),
    };
  }

  function requireUnused(id: string, verb: string): void {
    const users = live?.usersOf(id) ?? [];
    if (users.length > 0) {
      fail("E705", `connection ${id} can't be ${verb} due to rule references [${users.join(" ")}]`);
    }
  }

  app.get("/connections", (c) => {
    const named = configs.connections().map((connection) => describe(connection, true, live?.status(connection.id)));
    const all = c.req.query("forceAll") === "true";
    const anonymous = all ? (live?.anonymous() ?? []) : [];
    return json(c, [...named, ...anonymous.map((connection) => describe(connection, false, connection.status))]);
  });

  app.post(
    "/connections",
    failing({ prefix: "create connection failed", configuration: errorCodes.undefined }),
    async (c) => {
      const body = await readObject(c, "the connection");
      const id = textField(body, "id");
      await configs.loading(() => configs.createConnection(fromBody(body, id)));
      await live?.changed(id);
      const answer = sentence(c, "success", 201);
      c.set("said", `connection ${id}`);
      return answer;
    },
  );

  app.get("/connections/:name", failing({ missing: { code: errorCodes.undefined } }), (c) => {
    const id = pathName(c);
    const connection = configs.connection(id) ?? fail("E701", `connection ${id} not existed`);
    return json(c, describe(connection, true, live?.status(id)));
  });

  const updating = failing({
    prefix: "update connection failed",
    missing: { code: errorCodes.undefined },
    configuration: errorCodes.undefined,
  });
  app.put("/connections/:name", updating, async (c) => {
    const id = pathName(c);
    const body = await readObject(c, "the connection");
    const bodyId = textField(body, "id");
    if (bodyId !== "" && bodyId !== id) fail("E703", `the body names connection ${bodyId}: found ${id} in the path`);
    requireUnused(id, "updated");
    await configs.loading(() => configs.updateConnection(fromBody(body, id)));
    await live?.changed(id);
    return sentence(c, "success");
  });

  app.delete(
    "/connections/:name",
    failing({ prefix: "drop connection failed", missing: { code: errorCodes.undefined } }),
    async (c) => {
      const id = pathName(c);
      requireUnused(id, "dropped");
      configs.deleteConnection(id);
      await live?.changed(id);
      return sentence(c, "success");
    },
  );
}
