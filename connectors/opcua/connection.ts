/**
 * The connection of the `opcua` connector: its settings, and the one session that all of its users share.
 * @module
 */
import * as v from "valibot";
import type { ConnectorContext } from "../../src/connector/context.ts";
import { choice, duration, refuseSetting, text } from "../../src/connector/settings.ts";
import { tlsEntries, tlsOptions } from "../../src/connector/tls_settings.ts";
import type { LiveSession, SessionOptions } from "./live_session.ts";

const { certificationPath, certificationRaw, privateKeyPath, privateKeyRaw } = tlsEntries;

/** Settings of the connection to a server. */
export const connectionSettings = v.strictObject({
  server: v.pipe(
    text({ description: "Address of the server: `opc.tcp://host:4840/path`.", aliases: ["url", "endpoint"] }),
    v.regex(/^opc\.tcp:\/\/[^\s/]+/i, "an address such as opc.tcp://host:4840"),
  ),
  securityMode: choice(["None", "Sign", "SignAndEncrypt"], {
    description: "Whether messages are signed and encrypted. Other modes than `None` need a certificate with its key.",
    default: "None",
  }),
  securityPolicy: choice([
    "Basic256Sha256",
    "Aes128_Sha256_RsaOaep",
    "Aes256_Sha256_RsaPss",
    "Basic256",
    "Basic128Rsa15",
  ], {
    description: "Which algorithms, in other modes than `None`. The last two are outdated.",
    default: "Basic256Sha256",
  }),
  username: text({ description: "User name; anonymous without it.", optional: true }),
  password: text({ description: "Password.", optional: true, secret: true }),
  certificationPath,
  privateKeyPath,
  certificationRaw,
  privateKeyRaw,
  rootCaPath: text({
    description: "PEM file with the server's certificate, or with authorities that sign such.",
    optional: true,
    aliases: ["rootCAPath"],
  }),
  rootCARaw: text({ description: "The same itself: base64 of the PEM text.", optional: true }),
  insecureSkipVerify: tlsEntries.insecureSkipVerify,
  timeout: duration({ description: "Longest wait for an answer.", default: 10_000, min: 100, max: 600_000 }),
  sessionTimeout: duration({
    description: "How long the server keeps the session of a client that is silent.",
    default: 60_000,
    min: 1000,
  }),
  keepAlive: duration({ description: "How often the server is asked whether it is there.", default: 5000, min: 100 }),
});

export type ConnectionSettings = v.InferOutput<typeof connectionSettings>;

type Security = Pick<SessionOptions, "trusted"> & {
  readonly cert: string | undefined;
  readonly key: string | undefined;
};

/**
 * What the settings say of certificates.
 *
 * @throws {DiagnosticError} E403 for a file that cannot be read, E404 for one that is missing
 */
export function securityOf(settings: ConnectionSettings): Security {
  const { securityMode, insecureSkipVerify, username, password } = settings;
  const { ca, cert, key } = tlsOptions({ ...settings, tlsMinVersion: "tls1.2" } as Parameters<typeof tlsOptions>[0]);
  if (password !== undefined && username === undefined) {
    refuseSetting("username", 'a "password" needs a "username"', "E404");
  }
  if (securityMode === "None") return { trusted: "any", cert, key };
  if (cert === undefined) {
    refuseSetting("certificationPath", `The security mode ${securityMode} needs a client certificate`, "E404");
  }
  if (ca === undefined && !insecureSkipVerify) {
    const message = `The security mode ${securityMode} needs the certificate of the server, or of its authority`;
    refuseSetting("rootCaPath", message, "E404");
  }
  return { trusted: insecureSkipVerify ? "any" : ca!, cert, key };
}

/** Opens a session when it is first needed, and another one when it is lost and somebody asks again. */
export class OpcUaLink {
  readonly #settings: ConnectionSettings;
  readonly #context: Pick<ConnectorContext, "clock" | "log" | "status">;
  #opening: Promise<LiveSession> | undefined;
  #closed = false;

  constructor(settings: ConnectionSettings, context: Pick<ConnectorContext, "clock" | "log" | "status">) {
    this.#settings = settings;
    this.#context = context;
  }

  /**
   * The session that is there, or one that is opened now; never two at a time.
   *
   * @throws {Disconnected}
   */
  async open(): Promise<LiveSession> {
    const before = this.#opening;
    const there = await before?.catch(() => undefined);
    if (there !== undefined && there.loss === undefined) return there;
    // Another user may have begun meanwhile.
    if (this.#opening === before) this.#opening = this.#connect();
    return await this.#opening!;
  }

  async #connect(): Promise<LiveSession> {
    const { clock, log, status } = this.#context;
    const { server, securityMode, securityPolicy, username, password } = this.#settings;
    const { cert, key, trusted } = securityOf(this.#settings);
    status("connecting");
    const [{ LiveSession }, { anonymousCertificate, ownCertificate }, { loadLibrary }] = await Promise.all([
      import("./live_session.ts"),
      import("./certificates.ts"),
      import("./library.ts"),
    ]);
    const library = await loadLibrary(log);
    const options: SessionOptions = {
      server,
      securityMode,
      securityPolicy: securityMode === "None" ? "None" : securityPolicy,
      user: username === undefined ? undefined : { name: username, password: password ?? "" },
      own: cert === undefined || key === undefined ? await anonymousCertificate() : await ownCertificate(cert, key),
      trusted,
      timeoutMs: this.#settings.timeout,
      sessionTimeoutMs: this.#settings.sessionTimeout,
      keepAliveMs: this.#settings.keepAlive,
    };
    try {
      const live = await LiveSession.open(library, options, clock, (error) => status("disconnected", error.message));
      if (this.#closed) await live.close();
      else status("connected");
      return live;
    } catch (error) {
      status("disconnected", (error as Error).message);
      throw error;
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    const live = await this.#opening?.catch(() => undefined);
    await live?.close();
  }
}
