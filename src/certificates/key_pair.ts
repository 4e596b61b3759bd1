/**
 * A certificate with its key, looked at before a server is given it: engines find out what is wrong with one at different
 * times, some with the first client only.
 * @module
 */
import { createPrivateKey, X509Certificate } from "node:crypto";

/** PEM texts. */
export interface PemPair {
  /** The server's own certificate first, then those that signed it. */
  readonly cert: string;
  readonly key: string;
  /** Authorities of client certificates. */
  readonly ca?: string;
}

/** What is of interest in a certificate. */
export interface CertificateFacts {
  readonly subject: string;
  /** Unix milliseconds. */
  readonly beginsMs: number;
  readonly expiresMs: number;
}

/** Why a pair cannot be used, in words that go on after the name of the file. */
export class PairError extends Error {
  override readonly name = "PairError";
  readonly part: keyof PemPair;

  constructor(part: keyof PemPair, message: string, cause?: unknown) {
    super(message, { cause });
    this.part = part;
  }
}

/** @throws {PairError} for what is no certificate or key, and for a key of another certificate */
export function checkPair({ cert, key, ca }: PemPair): CertificateFacts {
  const own = readCertificate("cert", cert);
  let secret: ReturnType<typeof createPrivateKey>;
  try {
    secret = createPrivateKey(key);
  } catch (error) {
    throw new PairError("key", "it holds no private key in PEM that can be read without a password", error);
  }
  if (!own.checkPrivateKey(secret)) throw new PairError("key", "it is the key of another certificate");
  if (ca !== undefined) { for (const each of certificatesIn(ca)) readCertificate("ca", each); }
  return { subject: own.subject ?? "", beginsMs: Date.parse(own.validFrom), expiresMs: Date.parse(own.validTo) };
}

const block = /-----BEGIN (?:TRUSTED )?CERTIFICATE-----[^]*?-----END (?:TRUSTED )?CERTIFICATE-----/g;

/** At least one text, so that none is an error of the file. */
function certificatesIn(pem: string): string[] {
  return pem.match(block) ?? [pem];
}

function readCertificate(part: "cert" | "ca", pem: string): X509Certificate {
  try {
    return new X509Certificate(certificatesIn(pem)[0]!);
  } catch (error) {
    throw new PairError(part, "it holds no certificate in PEM", error);
  }
}
