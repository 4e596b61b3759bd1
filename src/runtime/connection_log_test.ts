import assert from "node:assert/strict";
import { test } from "node:test";
import { createLog } from "../telemetry/log.ts";
import { ConnectionLog } from "./connection_log.ts";

test("ConnectionLog tells a loss once for each reason, and the way back", () => {
  const lines: string[] = [];
  const write = (line: string) => void lines.push(line.replace(/^\S+ /, "").trimEnd());
  const log = new ConnectionLog(createLog({ level: "info", format: "logfmt", write }));
  log.report("connecting");
  log.report("connected");
  assert.deepEqual(lines, []);
  for (const reason of ["refused", "refused", "no route", "no route"]) {
    log.report("connecting");
    log.report("disconnected", reason);
  }
  log.report("connecting");
  log.report("connected");
  log.report("connected");
  log.report("disconnected", "no route");
  assert.deepEqual(lines, [
    'level=warn msg="Not connected, trying again and again" reason=refused',
    'level=warn msg="Not connected, trying again and again" reason="no route"',
    'level=info msg="Connected again"',
    'level=warn msg="Not connected, trying again and again" reason="no route"',
  ]);
});
