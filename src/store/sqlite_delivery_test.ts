import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { deliveryCases } from "./delivery_cases.ts";
import { openStore } from "./sqlite.ts";

deliveryCases("sqlite delivery", () => {
  const path = mkdtempSync(join(tmpdir(), "weir-delivery-"));
  const { store, delivery } = openStore(path);
  return {
    store: delivery,
    cleanUp() {
      store.close();
      rmSync(path, { recursive: true, force: true });
    },
  };
});
