/**
 * Certificates for tests of TLS, made by openssl.
 * @module
 */
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

/** PEM files in one folder. */
export interface Certificates {
  readonly ca: string;
  /** An authority that signed nothing. */
  readonly otherCa: string;
  readonly clientCert: string;
  readonly clientKey: string;
  /** For localhost and 127.0.0.1. */
  readonly serverCert: string;
  readonly serverKey: string;
}

/** Makes them in `folder`. */
export function makeCertificates(folder: string): Certificates {
  const openssl = (...args: string[]): void => void execFileSync("openssl", args, { cwd: folder, stdio: "pipe" });
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  for (const name of ["ca", "other"]) {
    const subject = ["-subj", `/CN=weir test ${name}`, "-days", "2"];
    openssl("req", "-x509", ...key, "-keyout", `${name}.key`, "-out", `${name}.crt`, ...subject);
  }
  writeFileSync(join(folder, "server.ext"), "subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth\n");
  writeFileSync(join(folder, "client.ext"), "extendedKeyUsage=clientAuth\n");
  for (const name of ["server", "client"]) {
    openssl("req", ...key, "-keyout", `${name}.key`, "-out", `${name}.csr`, "-subj", `/CN=weir test ${name}`);
    const ca = ["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", `${name}.ext`];
    openssl("x509", "-req", "-in", `${name}.csr`, ...ca, "-days", "2", "-out", `${name}.crt`);
  }
  const file = (name: string): string => join(folder, name);
  return {
    ca: file("ca.crt"),
    otherCa: file("other.crt"),
    clientCert: file("client.crt"),
    clientKey: file("client.key"),
    serverCert: file("server.crt"),
    serverKey: file("server.key"),
  };
}
