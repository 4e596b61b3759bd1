/**
 * A client's certificate, of an authority that is trusted.
 * @module
 */

export interface ClientCertificate {
  /** Those of its subject. */
  readonly commonNames: readonly string[];
  /** Names of hosts, addresses, e-mail addresses and URIs. */
  readonly alternativeNames: readonly string[];
  /** SHA-256 of the certificate, 64 small hex digits. */
  readonly fingerprint: string;
}
