/**
 * What a client's certificate says about it.
 * @module
 */
import type { PeerCertificate, TLSSocket } from "node:tls";
import type { ClientCertificate } from "../auth/client_certificate.ts";

/** Undefined when the client showed none that is trusted. */
export function peerCertificate(socket: TLSSocket): ClientCertificate | undefined {
  const found = socket.getPeerCertificate() as Partial<PeerCertificate> | null;
  if (found?.fingerprint256 === undefined) return undefined;
  return {
    // A subject may have several; then it is a list, whatever the types say.
    commonNames: [found.subject?.CN ?? []].flat(),
    alternativeNames: alternativeNames(found.subjectaltname ?? ""),
    fingerprint: found.fingerprint256.replaceAll(":", "").toLowerCase(),
  };
}

/**
 * Those of `DNS:a.example, IP Address:192.0.2.1`, without their kinds. A value that holds a comma or a quote is written as a
 * JSON string; it is left out, since no name that is to be trusted needs one.
 */
export function alternativeNames(text: string): string[] {
  if (text.includes('"')) return [];
  return text.split(", ").flatMap((each) => {
    const [, name] = /^(?:DNS|IP Address|email|URI):(.+)$/.exec(each) ?? [];
    return name === undefined ? [] : [name];
  });
}
