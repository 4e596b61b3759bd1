/**
 * The role that each route wants: one table for all of them. What stands in no line wants an admin, so that a route that
 * somebody forgets here is closed, and a test that every route stands here tells him.
 * @module
 */
import type { Role } from "../auth/role.ts";

/** `open`: nobody is asked who he is. */
export type Needed = Role | "open";

/** Method, path as it is routed, role. `*` is any method. */
const table: readonly (readonly [methods: string, path: string, needed: Needed])[] = [
  ["GET POST", "/", "open"],
  ["GET", "/ping", "open"],
  ["GET", "/healthz", "open"],
  ["GET", "/readyz", "open"],
  ["GET POST", "/stop", "admin"],
  ["GET", "/metrics", "viewer"],
  ["GET", "/openapi.json", "viewer"],
  ["GET", "/api/v1/health", "viewer"],

  ["GET", "/streams", "viewer"],
  ["GET", "/streamdetails", "viewer"],
  ["POST", "/streams", "editor"],
  ["GET", "/streams/:name", "viewer"],
  ["PUT DELETE", "/streams/:name", "editor"],
  ["GET", "/streams/:name/schema", "viewer"],
  ["GET", "/tables", "viewer"],
  ["GET", "/tabledetails", "viewer"],
  ["POST", "/tables", "editor"],
  ["GET", "/tables/:name", "viewer"],
  ["PUT DELETE", "/tables/:name", "editor"],
  ["GET", "/tables/:name/schema", "viewer"],

  ["GET", "/rules", "viewer"],
  ["POST", "/rules", "editor"],
  ["POST", "/rules/validate", "viewer"],
  ["GET", "/rules/status/all", "viewer"],
  ["GET", "/rules/tags/match", "viewer"],
  ["PUT PATCH DELETE", "/rules/:name/tags", "editor"],
  ["POST", "/rules/bulkstart", "operator"],
  ["POST", "/rules/bulkstop", "operator"],
  ["POST", "/rules/:name/start", "operator"],
  ["POST", "/rules/:name/stop", "operator"],
  ["POST", "/rules/:name/restart", "operator"],
  ["PUT", "/rules/:name/reset_state", "operator"],
  ["POST", "/api/v1/rules/:name/reset", "operator"],
  ["GET", "/rules/:name", "viewer"],
  ["PUT DELETE", "/rules/:name", "editor"],
  ["GET", "/rules/:name/status", "viewer"],
  ["GET", "/v2/rules/:name/status", "viewer"],
  ["GET", "/rules/:name/explain", "viewer"],
  ["GET", "/api/v1/rules/costs", "viewer"],
  ["GET", "/api/v1/rules/:name/explain", "viewer"],
  ["GET", "/api/v1/rules/:name/ledger", "viewer"],
  ["GET", "/rules/:name/topo", "viewer"],

  ["GET", "/api/v1/rules/:name/tap", "operator"],
  // What a sink refused is data of the plant, as a row is.
  ["GET", "/api/v1/rules/:name/dead-letters", "operator"],
  ["GET", "/api/v1/rules/:name/dead-letters/:action/:sequence", "operator"],
  ["POST", "/api/v1/rules/:name/dead-letters/replay", "operator"],
  ["DELETE", "/api/v1/rules/:name/dead-letters", "operator"],

  ["POST", "/rules/:name/trace/start", "operator"],
  ["POST", "/rules/:name/trace/stop", "operator"],
  // They show rows.
  ["GET", "/trace/rule/:name", "operator"],
  ["GET", "/trace/:name", "operator"],
  // It says where traces go.
  ["POST", "/tracer", "admin"],

  ["GET", "/metadata/sources/yaml/:type", "viewer"],
  ["GET", "/metadata/sinks/yaml/:type", "viewer"],
  ["GET", "/metadata/connections/yaml/:type", "viewer"],
  ["PUT DELETE", "/metadata/sources/:type/confKeys/:key", "editor"],
  ["PUT DELETE", "/metadata/sinks/:type/confKeys/:key", "editor"],
  ["PUT DELETE", "/metadata/connections/:type/confKeys/:key", "editor"],
  ["GET", "/metadata/sources", "viewer"],
  ["GET", "/metadata/sinks", "viewer"],
  ["GET", "/metadata/connections", "viewer"],
  ["GET", "/metadata/sources/:type", "viewer"],
  ["GET", "/metadata/sinks/:type", "viewer"],
  ["GET", "/metadata/connections/:type", "viewer"],
  ["GET", "/metadata/functions", "viewer"],
  ["GET", "/metadata/operators", "viewer"],
  ["GET", "/metadata/resources", "viewer"],
  // They connect to where the body says.
  ["POST", "/metadata/sources/connection/:type", "editor"],
  ["POST", "/metadata/sinks/connection/:type", "editor"],
  ["POST", "/metadata/lookups/connection/:type", "editor"],

  ["GET", "/connections", "viewer"],
  ["POST", "/connections", "editor"],
  ["GET", "/connections/:name", "viewer"],
  ["PUT DELETE", "/connections/:name", "editor"],

  ["GET", "/schemas/:type", "viewer"],
  ["POST", "/schemas/:type", "editor"],
  ["GET", "/schemas/:type/:name", "viewer"],
  ["PUT DELETE", "/schemas/:type/:name", "editor"],
  ["PUT", "/schemas/:type/:name/upload", "editor"],

  ["GET", "/api/v1/state", "viewer"],
  ["GET", "/api/v1/state/:key", "viewer"],
  ["PUT DELETE", "/api/v1/state/:key", "operator"],

  // What goes out holds passwords, and what comes in replaces everything.
  ["POST", "/ruleset/export", "editor"],
  ["POST", "/ruleset/import", "editor"],
  ["GET POST", "/data/export", "admin"],
  ["POST", "/data/import", "admin"],
  ["GET", "/data/import/status", "admin"],

  ["GET", "/api/v1/managed", "viewer"],
  ["POST", "/api/v1/managed", "editor"],

  ["PATCH", "/configs", "operator"],
  ["GET", "/api/v1/log/levels", "viewer"],
  ["PUT", "/api/v1/log/levels", "operator"],
  ["POST", "/api/v1/config/reload", "admin"],
  ["GET", "/config/uploads", "viewer"],
  ["POST", "/config/uploads", "editor"],
  ["DELETE", "/config/uploads/:name", "editor"],

  // They read streams, and connect to what these read from.
  ["POST", "/ruletest", "editor"],
  ["POST", "/ruletest/:name/start", "editor"],
  ["DELETE", "/ruletest/:name", "editor"],

  ["GET", "/api/v1/whoami", "viewer"],
  ["GET", "/api/v1/audit", "admin"],
  ["GET POST", "/api/v1/users", "admin"],
  ["PATCH DELETE", "/api/v1/users/:name", "admin"],
  ["GET POST", "/api/v1/tokens", "admin"],
  ["DELETE", "/api/v1/tokens/:name", "admin"],
];

interface Line {
  readonly methods: readonly string[];
  readonly path: string;
  readonly pattern: RegExp;
  readonly needed: Needed;
}

const lines: readonly Line[] = table.map(([methods, path, needed]) => ({
  methods: methods.split(" "),
  path,
  pattern: new RegExp(`^${path.replaceAll(/:[A-Za-z]+/g, "[^/]+")}$`),
  needed,
}));

/** Of a request. HEAD is as GET. Undefined for a path that no line has. */
export function neededFor(method: string, path: string): Needed | undefined {
  const asked = method === "HEAD" ? "GET" : method;
  const found = lines.filter(({ pattern }) => pattern.test(path));
  // `/rules/validate` is also a rule by that name: the words win, as they do in the router.
  const exact = found.find((line) => line.path === path && line.methods.includes(asked));
  const line = exact ?? found.find(({ methods }) => methods.includes(asked));
  if (line !== undefined) return line.needed;
  // For another method of a path that there is, one must be known to learn so.
  return found.length > 0 ? "viewer" : undefined;
}

/** The lines, for a test: `GET /rules`. */
export function listedRoutes(): ReadonlyMap<string, Needed> {
  return new Map(lines.flatMap(({ methods, path, needed }) => methods.map((method) => [`${method} ${path}`, needed])));
}
