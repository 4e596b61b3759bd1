/**
 * Starts a Kafka cluster of three nodes, for tests of what happens when one of them dies. Where it can run, see `kafka.ts`.
 * @module
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { clusterId, kafkaProgram, propertyLines } from "./kafka.ts";
import { freePort, listens, ServerProcess } from "./server_process.ts";

export interface KafkaCluster {
  /** `127.0.0.1:port` of each node. */
  readonly brokers: readonly string[];
  /** In the order of `brokers`; the ids of the nodes count from 1. */
  readonly nodes: readonly ServerProcess[];
  stop(): Promise<void>;
}

/** Each topic has copies on all nodes, two of which must have a message. */
export async function startKafkaCluster(): Promise<KafkaCluster> {
  const folder = mkdtempSync(join(tmpdir(), "weir-kafka-cluster-"));
  const ports: { readonly broker: number; readonly controller: number }[] = [];
  for (let i = 0; i < 3; i++) ports.push({ broker: await freePort(), controller: await freePort() });
  const voters = ports.map(({ controller }, i) => `${i + 1}@127.0.0.1:${controller}`).join(",");
  const nodes = ports.map(({ broker, controller }, i) => {
    const config = join(folder, `node-${i + 1}.properties`);
    writeFileSync(
      config,
      propertyLines({
        "process.roles": "broker,controller",
        "node.id": String(i + 1),
        "controller.quorum.voters": voters,
        "listeners": `PLAINTEXT://127.0.0.1:${broker},CONTROLLER://127.0.0.1:${controller}`,
        "advertised.listeners": `PLAINTEXT://127.0.0.1:${broker}`,
        "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "PLAINTEXT",
        "log.dirs": join(folder, `data-${i + 1}`),
        "offsets.topic.replication.factor": "3",
        "offsets.topic.num.partitions": "3",
        "min.insync.replicas": "2",
        "group.initial.rebalance.delay.ms": "0",
        // A node that has died is noticed soon.
        "broker.session.timeout.ms": "3000",
        "broker.heartbeat.interval.ms": "500",
      }),
    );
    const format = kafkaProgram("kafka.tools.StorageTool", "format", "-t", clusterId, "-c", config);
    execFileSync("java", format, { stdio: "pipe" });
    return new ServerProcess({
      program: "java",
      args: ["-Xmx256m", "-XX:TieredStopAtLevel=1", ...kafkaProgram("kafka.Kafka", config)],
      cwd: folder,
      ready: () => listens(broker),
    });
  });
  const stop = async () => {
    await Promise.all(nodes.map((node) => node.kill()));
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await Promise.all(nodes.map((node) => node.start()));
  } catch (error) {
    await stop();
    throw error;
  }
  return { brokers: ports.map(({ broker }) => `127.0.0.1:${broker}`), nodes, stop };
}
