import assert from "node:assert/strict";
import { test } from "node:test";
import { DiagnosticError } from "../../src/diagnostics/diagnostic.ts";
import { parseDsn } from "./dsn.ts";

const none = { tls: undefined, files: {}, session: {} };
const db = { host: "db", port: 5432, user: "u", password: "p", database: "d", ...none };

const cases: readonly [text: string, source: object][] = [
  ["sqlite:/var/lib/plant.db", { dialect: "sqlite", path: "/var/lib/plant.db", isReadOnly: false }],
  ["sqlite:///var/lib/plant.db", { dialect: "sqlite", path: "/var/lib/plant.db", isReadOnly: false }],
  ["sqlite://plant.db", { dialect: "sqlite", path: "plant.db", isReadOnly: false }],
  ["sqlite3:data/plant.db?mode=ro", { dialect: "sqlite", path: "data/plant.db", isReadOnly: true }],
  ["file:plant%20b.db?cache=shared", { dialect: "sqlite", path: "plant b.db", isReadOnly: false }],
  ["postgres://u:p@db/d", { dialect: "postgres", ...db }],
  ["postgresql://u:p@db:5433/d?sslmode=require", { dialect: "postgres", ...db, port: 5433, tls: "require" }],
  ["pg://u:p@db/d?sslmode=allow", { dialect: "postgres", ...db, tls: "prefer" }],
  ["postgres://db", { dialect: "postgres", ...db, user: "", password: "", database: "" }],
  ["postgres://u:p@/d?host=/run/pg", { dialect: "postgres", ...db, host: "/run/pg" }],
  ["postgres://u:p@[::1]:5432/d", { dialect: "postgres", ...db, host: "::1" }],
  ["postgres://u:a%40b%3A%2F@db/d", { dialect: "postgres", ...db, password: "a@b:/" }],
  ["postgres://u:a@b:/#100%@db/d", { dialect: "postgres", ...db, password: "a@b:/#100%" }],
  [
    "postgres://u:p@db/d?search_path=plant&sslmode=verify-ca&sslrootcert=/ca.pem",
    { dialect: "postgres", ...db, tls: "verify-ca", files: { ca: "/ca.pem" }, session: { search_path: "plant" } },
  ],
  ["mysql://u:p@db/d", { dialect: "mysql", ...db, port: 3306 }],
  ["mariadb://u:p@db:3307/d?parseTime=true&loc=Local", { dialect: "mysql", ...db, port: 3307 }],
  ["mysql://u:p@tcp(db:3307)/d?charset=utf8mb4", { dialect: "mysql", ...db, port: 3307 }],
  ["u:p@tcp(db)/d", { dialect: "mysql", ...db, port: 3306 }],
  ["u:a%40@b@tcp(db:3306)/d?tls=skip-verify", {
    dialect: "mysql",
    ...db,
    port: 3306,
    password: "a%40@b",
    tls: "require",
  }],
  ["u:p@unix(/run/mysqld.sock)/d", { dialect: "mysql", ...db, port: 3306, host: "/run/mysqld.sock" }],
  ["mysql://u@db/d?tls=true", { dialect: "mysql", ...db, port: 3306, password: "", tls: "verify-full" }],
];

for (const [text, source] of cases) {
  test(`parseDsn() reads ${text}`, () => assert.deepEqual(parseDsn(text), source));
}

const refused: readonly [text: string, code: string, says: RegExp][] = [
  ["sqlserver://u:geheim@db/d", "E408", /SQL Server .*wanted sqlite:/],
  ["oracle://u:geheim@db/d", "E408", /Oracle/],
  ["mongodb://u:geheim@db/d", "E403", /"mongodb"/],
  ["u:geheim@db", "E403", /wanted sqlite:/],
  ["sqlite:", "E403", /names no file/],
  ["postgres://u:geheim@db/d?sslmode=maybe", "E403", /sslmode "maybe": wanted disable/],
  ["postgres://u:geheim@db/d?shhh=1", "E403", /option "shhh"/],
  ["mysql://u:geheim@db:99999/d", "E403", /address/],
  ["mysql://u:geheim@db/d?tls=custom", "E403", /wanted true, false/],
];

for (const [text, code, says] of refused) {
  test(`parseDsn() refuses ${text.replace("geheim", "…")} without its password`, () => {
    assert.throws(() => parseDsn(text), (error) => {
      assert.ok(error instanceof DiagnosticError);
      const [problem] = error.diagnostics;
      assert.equal(problem!.code, code);
      assert.match(problem!.message, says);
      assert.doesNotMatch(JSON.stringify(error.diagnostics), /geheim/);
      return true;
    });
  });
}
