/**
 * The TLS block that connectors with a network peer share, and what it means for a socket.
 *
 * @example
 * ```ts
 * const schema = v.strictObject({ server: text({ description: "…" }), ...tlsEntries });
 * tls.connect({ host, port, ...tlsOptions(settings) });
 * ```
 * @module
 */
import { Buffer } from "node:buffer";
import { readFileSync } from "node:fs";
import { fail } from "../diagnostics/diagnostic.ts";
import { choice, flag, text, unsupported } from "./settings.ts";

/** Entries to spread into the settings of a role. */
export const tlsEntries = {
  insecureSkipVerify: flag({
    description: "Accept any certificate of the peer. Only for tests: it opens the connection to anyone in between.",
    default: false,
  }),
  certificationPath: text({ description: "PEM file with the client certificate.", optional: true }),
  privateKeyPath: text({ description: "PEM file with the key of the client certificate.", optional: true }),
  rootCaPath: text({
    description: "PEM file with the authorities to trust instead of those of the system.",
    optional: true,
    aliases: ["rootCAPath"],
  }),
  certificationRaw: text({
    description: "The client certificate itself: base64 of the PEM text. The path wins when both are given.",
    optional: true,
    aliases: ["certficationRaw"],
  }),
  privateKeyRaw: text({ description: "The key itself: base64 of the PEM text.", optional: true, secret: true }),
  rootCARaw: text({ description: "The authorities themselves: base64 of the PEM text.", optional: true }),
  tlsMinVersion: choice(["tls1.0", "tls1.1", "tls1.2", "tls1.3"], {
    description: "The oldest version of TLS to speak.",
    default: "tls1.2",
  }),
  renegotiationSupport: choice(["never", "once", "freely"], {
    description: "Accepted for compatibility; the TLS library decides about renegotiation.",
    default: "never",
  }),
  serverName: text({
    description: "The name the peer's certificate must carry, when it differs from the host of the address.",
    optional: true,
  }),
  tls: unsupported("Use of server-wide TLS settings."),
  decrypt: unsupported("Encrypted raw keys."),
};

/** The settings of the block after reading. */
export interface TlsSettings {
  readonly insecureSkipVerify: boolean;
  readonly certificationPath?: string;
  readonly privateKeyPath?: string;
  readonly rootCaPath?: string;
  readonly certificationRaw?: string;
  readonly privateKeyRaw?: string;
  readonly rootCARaw?: string;
  readonly tlsMinVersion: "tls1.0" | "tls1.1" | "tls1.2" | "tls1.3";
  readonly serverName?: string;
}

/** Options of `node:tls` and `node:https`; the PEM members are texts. */
export interface TlsOptions {
  readonly rejectUnauthorized: boolean;
  readonly minVersion: "TLSv1" | "TLSv1.1" | "TLSv1.2" | "TLSv1.3";
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly servername?: string;
}

const versions = { "tls1.0": "TLSv1", "tls1.1": "TLSv1.1", "tls1.2": "TLSv1.2", "tls1.3": "TLSv1.3" } as const;

/**
 * Reads the files of the block; `path` is where the settings stand, for messages.
 *
 * @throws {DiagnosticError} E403 for a file that cannot be read or is no PEM, E404 for a certificate without its key
 * or a key without its certificate.
 */
export function tlsOptions(settings: TlsSettings, path = ""): TlsOptions {
  const ca = pem("rootCaPath", settings.rootCaPath, "rootCARaw", settings.rootCARaw, path);
  const cert = pem(
    "certificationPath",
    settings.certificationPath,
    "certificationRaw",
    settings.certificationRaw,
    path,
  );
  const key = pem("privateKeyPath", settings.privateKeyPath, "privateKeyRaw", settings.privateKeyRaw, path);
  if ((cert === undefined) !== (key === undefined)) {
    const [has, lacks] = cert === undefined ? ["key", "certificationPath"] : ["certificate", "privateKeyPath"];
    fail("E404", `A client ${has} is given without its counterpart: set "${lacks}" too`, {
      path: placeOf(path, lacks),
    });
  }
  return {
    rejectUnauthorized: !settings.insecureSkipVerify,
    minVersion: versions[settings.tlsMinVersion],
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined || key === undefined ? {} : { cert, key }),
    ...(settings.serverName === undefined ? {} : { servername: settings.serverName }),
  };
}

function pem(
  pathName: string,
  file: string | undefined,
  rawName: string,
  raw: string | undefined,
  path: string,
): string | undefined {
  if (file !== undefined && file !== "") {
    const place = { path: placeOf(path, pathName) };
    let text: string;
    try {
      text = readFileSync(file, "utf8");
    } catch (error) {
      const reason = (error as { code?: string }).code === "ENOENT" ? "no such file" : (error as Error).message;
      fail("E403", `Cannot read the file "${file}" of "${pathName}": ${reason}`, place);
    }
    if (!isPem(text)) fail("E403", `Cannot use the file "${file}" of "${pathName}": found no PEM block in it`, place);
    return text;
  }
  if (raw === undefined || raw === "") return undefined;
  const text = Buffer.from(raw, "base64").toString("utf8");
  if (!isPem(text)) {
    fail("E403", `Cannot use "${rawName}": wanted base64 of a PEM text`, { path: placeOf(path, rawName) });
  }
  return text;
}

function isPem(text: string): boolean {
  return text.includes("-----BEGIN ");
}

function placeOf(path: string, name: string): string {
  return path === "" ? name : `${path}.${name}`;
}
