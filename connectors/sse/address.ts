/**
 * The address of an event stream, out of the two settings that make it.
 * @module
 */
import { refuseSetting } from "../../src/connector/settings.ts";

export interface AddressParts {
  readonly url?: string | undefined;
  readonly datasource?: string | undefined;
}

export function addressOf({ url = "", datasource = "" }: AddressParts): string {
  if (url === "") return datasource;
  return url.endsWith("/") && datasource.startsWith("/") ? url + datasource.slice(1) : url + datasource;
}

/** @throws {DiagnosticError} E403, E404. */
export function checkAddress(parts: AddressParts): void {
  const address = addressOf(parts);
  if (address === "") refuseSetting("url", 'sse needs the address of a stream: as "url", or in DATASOURCE', "E404");
  if (!/^https?:\/\//i.test(address) || !URL.canParse(address)) {
    const name = (parts.url ?? "") === "" ? "datasource" : "url";
    refuseSetting(name, `Cannot read ${JSON.stringify(address)}: wanted an address such as http://host/events`);
  }
}
