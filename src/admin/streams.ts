/**
 * `/streams` and `/tables`: the same routes with other words.
 * @module
 */
import type { Hono } from "hono";
import type { ConfigRegistry } from "../runtime/configs.ts";
import type { Rules } from "../runtime/rules.ts";
import type { StreamDefinition } from "../runtime/stream_definition.ts";
import type { StreamRegistry, StreamTarget } from "../runtime/streams.ts";
import type { Struct } from "../value/value.ts";
import { readObject, textField } from "./body.ts";
import { type AdminEnv, errorCodes, failing } from "./failure.ts";
import { pathName } from "./path.ts";
import { json, sentence } from "./reply.ts";

export interface StreamRoutes {
  readonly configs: Pick<ConfigRegistry, "loading">;
  readonly streams: StreamRegistry;
  readonly rules: Pick<Rules, "usersOf">;
  /** The columns that running rules ask a schemaless stream for. */
  readonly wantedColumns?: (stream: string) => readonly string[];
  /** The newest row that running rules have of a stream. */
  readonly newestRow?: (stream: string) => Struct | undefined;
}

const titles = { stream: "Stream", table: "Table" } as const;

function ofKind(definitions: readonly StreamDefinition[], kind: string | undefined): readonly StreamDefinition[] {
  const wanted = kind === "scan" || kind === "lookup" ? kind : undefined;
  return wanted === undefined ? definitions : definitions.filter(({ options }) => options.kind === wanted);
}

export function streamRoutes(
  app: Hono<AdminEnv>,
  { configs, streams, rules, wantedColumns, newestRow }: StreamRoutes,
): void {
  for (const target of ["stream", "table"] as const) routesOf(target);

  function routesOf(target: StreamTarget): void {
    const title = titles[target];
    const collection = `/${target}s`;
    const item = `${collection}/:name`;
    const command = failing({
      prefix: `${title} command error`,
      configuration: errorCodes.stream,
      codes: { E702: errorCodes.stream, E706: errorCodes.stream, E206: errorCodes.stream },
    });

    app.get(collection, (c) => json(c, ofKind(streams.list(target), c.req.query("kind")).map(({ name }) => name)));

    app.get(`/${target}details`, (c) => {
      const definitions = ofKind(streams.list(target), c.req.query("kind"));
      return json(c, definitions.map(({ name, options }) => ({ name, type: options.type, format: options.format })));
    });

    app.post(collection, command, async (c) => {
      const sql = textField(await readObject(c, "the statement descriptor"), "sql");
      const observed = {
        ...(wantedColumns === undefined ? {} : { wanted: wantedColumns }),
        ...(newestRow === undefined ? {} : { newest: newestRow }),
      };
      const { kind, text } = await configs.loading(() => streams.execute(sql, observed));
      return sentence(c, text, kind === "create" ? 201 : 200);
    });

    app.get(item, failing({ prefix: `describe ${target} error`, missing: { code: errorCodes.stream } }), (c) => {
      const name = pathName(c);
      return json(c, streams.definitionJson(target, name));
    });

    app.put(item, command, async (c) => {
      const name = pathName(c);
      const sql = textField(await readObject(c, "the statement descriptor"), "sql");
      await configs.loading(() => streams.replace(target, name, sql));
      return sentence(c, `${title} ${name} is replaced.`);
    });

    app.delete(item, failing({ prefix: `delete ${target} error` }), (c) => {
      const name = pathName(c);
      streams.drop(target, name, { force: c.req.query("force") === "true", usedBy: rules.usersOf(name) });
      return sentence(c, `${title} ${name} is dropped.`);
    });

    app.get(`${item}/schema`, failing({ prefix: `get schema of ${target} error` }), (c) => {
      const name = pathName(c);
      return json(c, streams.resolveSchema(target, name, wantedColumns?.(name)));
    });
  }
}
