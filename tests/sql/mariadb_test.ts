/**
 * The connector `sql` against MariaDB.
 */
import { startMariadb } from "../peers/mariadb.ts";
import { serverCases } from "./server_cases.ts";

serverCases({
  scheme: "mysql",
  start: () => startMariadb({ tls: true }),
  columns: "i BIGINT, f DOUBLE, d DECIMAL(10, 2), s TEXT, b BOOLEAN, t DATETIME(6), y BLOB, j JSON",
  serial: "INT AUTO_INCREMENT",
  countSessions: "SELECT count(*) FROM information_schema.processlist WHERE user = 'weir'",
  shortLocks: "SET innodb_lock_wait_timeout = 1",
  tls: { checked: "?tls=true", unchecked: "?tls=skip-verify", none: "" },
});
