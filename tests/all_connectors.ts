/**
 * The declarations of every connector, loaded, for tests that look at them or name their settings before a rule does.
 * @module
 */
import { connectors } from "../connectors/mod.ts";
import { ConnectorList } from "../src/connector/connector_list.ts";

export const allConnectors = await new ConnectorList(connectors).all();
