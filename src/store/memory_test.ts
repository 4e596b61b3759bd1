import { MemoryStore } from "./memory.ts";
import { storeCases } from "./store_cases.ts";

storeCases("memory store", () => ({ store: new MemoryStore(), cleanUp() {} }));
