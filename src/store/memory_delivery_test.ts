import { deliveryCases } from "./delivery_cases.ts";
import { MemoryDelivery } from "./memory_delivery.ts";

deliveryCases("memory delivery", () => ({ store: new MemoryDelivery(), cleanUp() {} }));
