/**
 * Starts a real Kafka broker, one node without others, on free loopback ports, for tests.
 *
 * Debian has no package of it, so its tests run only where `KAFKA_HOME` names a folder of Kafka, as it is unpacked, and
 * there is a `java`. CI has neither.
 * @module
 */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createConnection, createServer, type Server, type Socket } from "node:net";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { type Certificates, makeCertificates } from "./certificates.ts";
import { freePort, listens, ServerProcess } from "./server_process.ts";

const libraries = process.env.KAFKA_HOME === undefined ? undefined : join(process.env.KAFKA_HOME, "libs");

/** Why there can be no broker here; false when there can. A value for `skip` of a test. */
export const kafkaIsMissing: string | false = libraries === undefined || !existsSync(libraries)
  ? "KAFKA_HOME names no folder of Kafka"
  : spawnSync("java", ["-version"]).status === 0
  ? false
  : "there is no java";

/** 16 bytes in base64, as good as any. */
export const clusterId = "AAAAAAAAQACAAAAAAAAAAQ";

export interface KafkaServer {
  /** Without a login; what the broker itself calls this listener, too, so that all clients can be cut off. */
  readonly broker: string;
  /** For users with a password: `weir` with `secret`, by PLAIN and SCRAM. */
  readonly loginBroker: string;
  /** TLS without a login. */
  readonly tlsBroker: string;
  readonly certificates: Certificates;
  readonly process: ServerProcess;
  /** How many connections to `broker` are open. */
  connections(): number;
  /** Breaks the connections of `broker`. */
  dropClients(): void;
  /** Ends it and removes its folder. */
  stop(): Promise<void>;
}

/** Arguments of `java` that run a program of Kafka. */
export function kafkaProgram(...args: readonly string[]): string[] {
  return ["-cp", join(libraries!, "*"), ...args];
}

/** The lines of a file of properties. */
export function propertyLines(properties: Readonly<Record<string, string>>): string {
  return Object.entries(properties).map(([name, value]) => `${name}=${value}\n`).join("");
}

/** Starts a broker that makes topics when they are written to, with one partition each. */
export async function startKafka(): Promise<KafkaServer> {
  const folder = mkdtempSync(join(tmpdir(), "weir-kafka-"));
  const [plain, login, tls, controller] = [await freePort(), await freePort(), await freePort(), await freePort()];
  const front = await Front.start(plain);
  const certificates = makeCertificates(folder);
  // One file for both, as the broker wants it.
  const keystore = join(folder, "broker.pem");
  writeFileSync(keystore, readFileSync(certificates.serverKey, "utf8") + readFileSync(certificates.serverCert, "utf8"));
  const config = join(folder, "server.properties");
  const plainLogin = 'org.apache.kafka.common.security.plain.PlainLoginModule required user_weir="secret";';
  const scramLogin = "org.apache.kafka.common.security.scram.ScramLoginModule required;";
  const properties: Record<string, string> = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.quorum.voters": `1@127.0.0.1:${controller}`,
    "listeners": `PLAINTEXT://127.0.0.1:${plain},LOGIN://127.0.0.1:${login},TLS://127.0.0.1:${tls},` +
      `CONTROLLER://127.0.0.1:${controller}`,
    "advertised.listeners": `PLAINTEXT://127.0.0.1:${front.port},LOGIN://127.0.0.1:${login},TLS://127.0.0.1:${tls}`,
    "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,LOGIN:SASL_PLAINTEXT,TLS:SSL",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
    "listener.name.login.plain.sasl.jaas.config": plainLogin,
    "listener.name.login.scram-sha-256.sasl.jaas.config": scramLogin,
    "listener.name.login.scram-sha-512.sasl.jaas.config": scramLogin,
    "listener.name.tls.ssl.keystore.type": "PEM",
    "listener.name.tls.ssl.keystore.location": keystore,
    "log.dirs": join(folder, "data"),
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "1",
    "group.initial.rebalance.delay.ms": "0",
    "auto.create.topics.enable": "true",
    "num.partitions": "1",
    // Retention looks at once, and deletes what a test has marked.
    "log.initial.task.delay.ms": "500",
    "log.retention.check.interval.ms": "500",
  };
  writeFileSync(config, propertyLines(properties));
  const users = ["SCRAM-SHA-256", "SCRAM-SHA-512"].flatMap((mechanism) => {
    return ["--add-scram", `${mechanism}=[name=weir,password=secret]`];
  });
  const format = kafkaProgram("kafka.tools.StorageTool", "format", "-t", clusterId, "-c", config, ...users);
  execFileSync("java", format, { stdio: "pipe" });
  const server = new ServerProcess({
    program: "java",
    args: ["-Xmx256m", "-XX:TieredStopAtLevel=1", ...kafkaProgram("kafka.Kafka", config)],
    cwd: folder,
    ready: () => listens(tls),
  });
  const stop = async () => {
    await server.kill();
    await front.close();
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await server.start();
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    broker: `127.0.0.1:${front.port}`,
    loginBroker: `127.0.0.1:${login}`,
    tlsBroker: `127.0.0.1:${tls}`,
    certificates,
    process: server,
    connections: () => front.connections,
    dropClients: () => front.drop(),
    stop,
  };
}

/** Stands before a listener and hands bytes through. */
class Front {
  readonly #sockets = new Set<Socket>();
  readonly #server: Server;

  private constructor(target: number) {
    this.#server = createServer((near) => {
      const far = createConnection({ host: "127.0.0.1", port: target });
      for (const [one, other] of [[near, far], [far, near]] as const) {
        this.#sockets.add(one);
        one.on("data", (chunk) => other.write(chunk));
        one.on("error", () => {});
        one.on("close", () => {
          this.#sockets.delete(one);
          other.destroy();
        });
      }
    });
  }

  static async start(target: number): Promise<Front> {
    const front = new Front(target);
    front.#server.listen(0, "127.0.0.1");
    await once(front.#server, "listening");
    return front;
  }

  get port(): number {
    return (this.#server.address() as { readonly port: number }).port;
  }

  get connections(): number {
    return this.#sockets.size;
  }

  drop(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async close(): Promise<void> {
    this.drop();
    this.#server.close();
    await once(this.#server, "close");
  }
}
