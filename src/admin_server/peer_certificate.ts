/**
 * What a client's certificate says about it.
 * @module
 */
import type { PeerCertificate, TLSSocket } from "node:tls";
import { alternativeNames } from "../certificates/alternative_names.ts";
import type { ClientCertificate } from "../auth/client_certificate.ts";

/** Undefined when the client showed none that is trusted. */
export function peerCertificate(socket: TLSSocket): ClientCertificate | undefined {
  const found = socket.getPeerCertificate() as Partial<PeerCertificate> | null;
  if (found?.fingerprint256 === undefined || found.raw === undefined) return undefined;
  return {
    // A subject may have several; then it is a list, whatever the types say.
    commonNames: [found.subject?.CN ?? []].flat(),
    alternativeNames: alternativeNames(found.raw),
    fingerprint: found.fingerprint256.replaceAll(":", "").toLowerCase(),
  };
}
