/**
 * Who the holder of a client's certificate is, and what he may do.
 * @module
 */
import type { ClientCertificate } from "./client_certificate.ts";
import type { Principal, Role } from "./role.ts";

/** A line of the table: all that it names must fit. In patterns, `*` stands for any text. */
export interface ClientRole {
  /** Of the subject. */
  readonly commonName?: string | undefined;
  /** A name of a host, an address, an e-mail address or a URI. */
  readonly alternativeName?: string | undefined;
  /** SHA-256 of the certificate, in hex with or without colons. */
  readonly fingerprint?: string | undefined;
  readonly role: Role;
  /** What he is called; the common name when absent. */
  readonly name?: string | undefined;
}

/** By the first line that fits; undefined when none does. */
export function principalOf(certificate: ClientCertificate, lines: readonly ClientRole[]): Principal | undefined {
  const line = lines.find((each) => fits(certificate, each));
  if (line === undefined) return undefined;
  const { commonNames, alternativeNames, fingerprint } = certificate;
  const name = line.name ?? commonNames[0] ?? alternativeNames[0] ?? fingerprint;
  return { name, kind: "certificate", role: line.role };
}

function fits(certificate: ClientCertificate, line: ClientRole): boolean {
  const { commonName, alternativeName, fingerprint } = line;
  // A line that names nothing would be everybody's.
  if (commonName === undefined && alternativeName === undefined && fingerprint === undefined) return false;
  return (commonName === undefined || certificate.commonNames.some((name) => isLike(name, commonName))) &&
    (alternativeName === undefined || certificate.alternativeNames.some((name) => isLike(name, alternativeName))) &&
    (fingerprint === undefined || certificate.fingerprint === plainFingerprint(fingerprint));
}

/** 64 small hex digits. */
export function plainFingerprint(text: string): string {
  return text.replaceAll(":", "").toLowerCase();
}

/** Pieces between the stars, in their order: linear in the length of the text for each of them. */
function isLike(text: string, pattern: string): boolean {
  const [first = "", ...others] = pattern.split("*");
  if (others.length === 0) return text === pattern;
  const last = others.pop()!;
  if (text.length < first.length + last.length || !text.startsWith(first) || !text.endsWith(last)) return false;
  const end = text.length - last.length;
  let at = first.length;
  for (const piece of others) {
    const found = text.indexOf(piece, at);
    if (found === -1 || found + piece.length > end) return false;
    at = found + piece.length;
  }
  return true;
}
