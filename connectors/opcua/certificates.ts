/**
 * Certificates of this client and of servers. Nothing is kept on disk: what is trusted stands in the settings.
 * @module
 */
import { Buffer } from "node:buffer";
import { X509Certificate } from "node:crypto";
import type { OPCUAClientOptions } from "node-opcua-client";
import type { Library } from "./library.ts";

type KeyPairProvider = NonNullable<OPCUAClientOptions["certificateKeyPairProvider"]>;
type TrustStore = Exclude<NonNullable<OPCUAClientOptions["clientCertificateManager"]>, { readonly rootDir: string }>;

/** The certificate of this client with its key, and the name of the application that stands in it. */
export interface OwnCertificate {
  readonly provider: KeyPairProvider;
  readonly applicationUri: string;
}

const defaultUri = "urn:weir";
const keyBits = 2048;
const lifetimeMs = 10 * 365 * 86_400_000;

/** Every certificate of a PEM text. */
export function certificatesOf(pem: string): Buffer[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? [];
  return blocks.map((block) => Buffer.from(block.replace(/-----.*?-----|\s/g, ""), "base64"));
}

/** From PEM texts; @throws when the key is none. */
export async function ownCertificate(cert: string, key: string): Promise<OwnCertificate> {
  const { coercePEMorDerToPrivateKey } = await import("node-opcua-crypto");
  const chain = certificatesOf(cert);
  const privateKey = coercePEMorDerToPrivateKey(key);
  const names = new X509Certificate(chain[0]!).subjectAltName ?? "";
  return {
    provider: { getCertificate: () => chain[0]!, getCertificateChain: () => chain, getPrivateKey: () => privateKey },
    applicationUri: /URI:([^,\s]+)/.exec(names)?.[1] ?? defaultUri,
  };
}

let generated: Promise<OwnCertificate> | undefined;

/**
 * One that nobody has to know, for connections without security, which carry a certificate all the same. It is made once
 * for the life of the process.
 */
export function anonymousCertificate(): Promise<OwnCertificate> {
  return generated ??= generate();
}

async function generate(): Promise<OwnCertificate> {
  const { CertificatePurpose, createSelfSignedCertificate, generateKeyPair } = await import("node-opcua-crypto");
  const { privateKey } = await generateKeyPair(keyBits);
  const { cert } = await createSelfSignedCertificate({
    privateKey,
    subject: "CN=weir",
    applicationUri: defaultUri,
    purpose: CertificatePurpose.ForApplication,
    dns: [],
    ip: [],
    notBefore: new Date(),
    notAfter: new Date(Date.now() + lifetimeMs),
  });
  const der = Buffer.from(await crypto.subtle.exportKey("pkcs8", privateKey));
  const lines = der.toString("base64").replace(/.{64}/g, "$&\n");
  return await ownCertificate(cert, `-----BEGIN PRIVATE KEY-----\n${lines}\n-----END PRIVATE KEY-----\n`);
}

/** Trusts the certificates of a PEM text, and those that they have signed; with "any", all. */
export function trustStore({ StatusCodes }: Library, trusted: string | "any"): TrustStore {
  const known = trusted === "any" ? [] : certificatesOf(trusted).map((der) => new X509Certificate(der));
  const verdict = (
    given: Uint8Array | readonly Uint8Array[],
  ): "Good" | "BadCertificateUntrusted" | "BadCertificateTimeInvalid" => {
    if (trusted === "any") return "Good";
    const chain = (given instanceof Uint8Array ? [given] : given).map((der) => new X509Certificate(der));
    const [leaf] = chain;
    if (leaf === undefined || !isTrusted(chain, known)) return "BadCertificateUntrusted";
    const now = Date.now();
    const isValid = Date.parse(leaf.validFrom) <= now && now <= Date.parse(leaf.validTo);
    return isValid ? "Good" : "BadCertificateTimeInvalid";
  };
  const unsupported = () => Promise.reject(new Error("certificates stand in the settings"));
  return {
    referenceCounter: 0,
    initialize: () => Promise.resolve(),
    dispose: () => Promise.resolve(),
    checkCertificate: (given) => Promise.resolve(StatusCodes[verdict(given)]),
    verifyCertificate: (given) => Promise.resolve(verdict(given)),
    getTrustStatus: (given) => Promise.resolve(StatusCodes[verdict(given)]),
    // The library asks for it where a server is met for the first time, and does without.
    rejectCertificate: () => Promise.resolve(),
    trustCertificate: unsupported,
    addIssuer: unsupported,
    addRevocationList: unsupported,
  };
}

/** The chain begins with the server's own; each next one must have signed the one before it. */
function isTrusted(chain: readonly X509Certificate[], known: readonly X509Certificate[]): boolean {
  for (const [index, certificate] of chain.entries()) {
    if (known.some((each) => each.raw.equals(certificate.raw))) return true;
    if (known.some((each) => isSignedBy(certificate, each))) return true;
    const next = chain[index + 1];
    if (next === undefined || !isSignedBy(certificate, next)) return false;
  }
  return false;
}

function isSignedBy(certificate: X509Certificate, authority: X509Certificate): boolean {
  return authority.ca && certificate.checkIssued(authority) && certificate.verify(authority.publicKey);
}
