/**
 * `/openapi.json`: the routes for tools, of those that this agent has, made of the tables of descriptions and roles.
 * @module
 */
import type { Needed } from "./route_roles.ts";
import { type RouteDescription, routeDescriptions, type Shape, sharedShapes } from "./route_descriptions.ts";

export interface OpenApiOptions {
  /** Of weir. */
  readonly version: string;
  /** Method and path as routed, with the role: `GET /rules/:name`. */
  readonly routes: ReadonlyMap<string, Needed>;
  /** Nobody is asked who he is when false. */
  readonly asksWho: boolean;
}

/** An OpenAPI 3.1 document. */
export function openApiOf({ version, routes, asksWho }: OpenApiOptions): Shape {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const [tag, group] of Object.entries(routeDescriptions)) {
    for (const [route, description] of Object.entries(group)) {
      const needed = routes.get(route);
      if (needed === undefined) continue;
      const [method, path] = route.split(" ") as [string, string];
      const at = path.replaceAll(/:([A-Za-z]+)/g, "{$1}");
      (paths[at] ??= {})[method.toLowerCase()] = operation(route, tag, description, asksWho ? needed : "open");
    }
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "weir",
      version,
      description:
        "Rules over streams at the edge. The routes, sentences and error numbers are those of LF Edge eKuiper 2.x; " +
        "those below /api/v1 are weir's own.",
    },
    ...(asksWho ? { security: Object.keys(securitySchemes).map((name) => ({ [name]: [] })) } : {}),
    tags: Object.keys(routeDescriptions).map((name) => ({ name })),
    paths,
    components: { schemas: sharedShapes, ...(asksWho ? { securitySchemes } : {}) },
  };
}

const securitySchemes = {
  token: { type: "http", scheme: "bearer", description: "An API token, or a JSON Web Token." },
  password: { type: "http", scheme: "basic", description: "Name and password of a user." },
};

function operation(route: string, tag: string, description: RouteDescription, needed: Needed): Shape {
  const { summary, query = {}, takes, takesForm, bodyOptional = false } = description;
  const inPath = [...route.matchAll(/:([A-Za-z]+)/g)].map(([, name]) => ({
    name,
    in: "path",
    required: true,
    schema: { type: "string" },
  }));
  const inQuery = Object.entries(query).map(([name, about]) => ({
    name,
    in: "query",
    description: about,
    schema: { type: "string" },
  }));
  const parameters = [...inPath, ...inQuery];
  const content = {
    ...(takes === undefined ? {} : { "application/json": { schema: takes } }),
    ...(takesForm === undefined ? {} : { "multipart/form-data": { schema: takesForm } }),
  };
  return {
    operationId: operationId(route),
    tags: [tag],
    summary,
    ...(needed === "open" ? { security: [] } : { "x-weir-role": needed }),
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(Object.keys(content).length === 0 ? {} : { requestBody: { required: !bodyOptional, content } }),
    responses: responsesOf(description, needed),
  };
}

function responsesOf({ gives, media, status = 200 }: RouteDescription, needed: Needed): Shape {
  const type = media ?? (gives === undefined ? undefined : "application/json");
  const success = type === undefined ? {} : { content: { [type]: { schema: gives ?? { type: "string" } } } };
  const plain = (description: string) => ({ description, content: { "text/plain": { schema: { type: "string" } } } });
  return {
    [status]: { description: "Done.", ...success },
    ...(needed === "open" ? {} : {
      401: plain("No credential, or a wrong one."),
      403: plain(`Of another role than ${needed} and those above it.`),
      429: plain("Too many wrong credentials from this address."),
    }),
    default: {
      description: "Refused, with the reason: 404 when `error` is 1002, else 400.",
      content: { "application/json": { schema: { $ref: "#/components/schemas/Error" } } },
    },
  };
}

/** `getRulesByNameStatus`. */
function operationId(route: string): string {
  const [method, path] = route.split(" ") as [string, string];
  const words = path.split(/[/.-]/).filter((part) => part !== "").map((part) => {
    const word = part.startsWith(":") ? `by_${part.slice(1)}` : part;
    return word.split("_").map((each) => each[0]!.toUpperCase() + each.slice(1)).join("");
  });
  return method.toLowerCase() + (words.length === 0 ? "Root" : words.join(""));
}
