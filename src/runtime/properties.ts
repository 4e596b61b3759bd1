/**
 * System properties, which `props()` reads: the section `properties` of the configuration as values.
 * @module
 */
import { setOwn, type Struct, type Value } from "../value/value.ts";

/** What a property can be in the configuration. */
export type PropertySetting = string | number | boolean;

/** Whole numbers are ints, as they are in SQL. */
export function propertiesOf(settings: Readonly<Record<string, PropertySetting>>): Readonly<Record<string, Value>> {
  const properties: Struct = {};
  for (const [name, value] of Object.entries(settings)) {
    setOwn(properties, name, typeof value === "number" && Number.isSafeInteger(value) ? BigInt(value) : value);
  }
  return properties;
}
