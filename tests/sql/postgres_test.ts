/**
 * The connector `sql` against PostgreSQL.
 */
import { startPostgres } from "../peers/postgres.ts";
import { serverCases } from "./server_cases.ts";

serverCases({
  scheme: "postgres",
  start: () => startPostgres({ tls: true }),
  columns: "i BIGINT, f DOUBLE PRECISION, d NUMERIC(10, 2), s TEXT, b BOOLEAN, t TIMESTAMP, y BYTEA, j JSONB",
  serial: "SERIAL",
  countSessions:
    "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()",
  shortLocks: "SET lock_timeout = '200ms'",
  tls: { checked: "?sslmode=verify-full", unchecked: "?sslmode=require", none: "?sslmode=disable" },
});
