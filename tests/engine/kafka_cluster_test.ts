/**
 * A rule between two topics of a cluster whose nodes die in turn. It runs where there is a Kafka: see tests/peers/kafka.ts.
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { test } from "node:test";
import { Admin, Consumer, Producer } from "@platformatic/kafka";
import { World } from "../durable/world.ts";
import { eventually } from "../eventually.ts";
import { kafkaIsMissing } from "../peers/kafka.ts";
import { startKafkaCluster } from "../peers/kafka_cluster.ts";

for (const groupID of ["", "weir"]) {
  const how = groupID === "" ? "offsets of its own" : "a group";
  test(
    `a rule with ${how} loses nothing when the nodes of a cluster die in turn`,
    { skip: kafkaIsMissing },
    async () => {
      const cluster = await startKafkaCluster();
      const bootstrapBrokers = [...cluster.brokers];
      const client = { clientId: "test", bootstrapBrokers, retries: 60, retryDelay: 250 };
      const producer = new Producer(client);
      const consumer = new Consumer({ ...client, groupId: "test" });
      consumer.on("error", () => {});
      try {
        const admin = new Admin(client);
        await admin.createTopics({ topics: ["in", "out"], partitions: 3, replicas: 3 });
        await admin.close();
        const got: [id: string, n: number][] = [];
        let stream = await consumer.consume({ topics: ["out"], mode: "earliest", maxWaitTime: 200 });
        const collect = () => {
          stream.on("data", ({ value, headers }) => {
            const id = [...headers].find(([name]) => String(name) === "weir-id")![1];
            got.push([String(id), (JSON.parse(String(value)) as { n: number }).n]);
          });
          stream.on("error", () => {});
        };
        collect();
        await World.with(async (world) => {
          const options = JSON.stringify({
            brokers: bootstrapBrokers,
            startOffset: "earliest",
            partition: -1,
            groupID,
          });
          world.streams.execute(
            `CREATE STREAM numbers () WITH (TYPE="kafka", DATASOURCE="in", FORMAT="json", EXTRA=${
              JSON.stringify(options)
            })`,
          );
          const action = { kafka: { brokers: bootstrapBrokers, topic: "out", requiredACKs: -1, sendSingle: true } };
          await world.define("SELECT n FROM numbers", { qos: 1 }, "r", [action]);
          let sent = 0;
          const send = async (count: number) => {
            for (const until = sent + count; sent < until; sent++) {
              const value = Buffer.from(`{"n":${sent}}`);
              await producer.send({ messages: [{ topic: "in", partition: sent % 3, value }], acks: -1 });
            }
          };
          const all = () => new Set(got.map(([, n]) => n)).size;
          await send(60);
          await eventually(() => all() === sent, 60_000);
          for (const node of cluster.nodes) {
            await node.kill();
            await send(60);
            // The reader of this test may give up; what it has read it has.
            if (stream.destroyed) {
              stream = await consumer.consume({ topics: ["out"], mode: "earliest", maxWaitTime: 200 });
              collect();
            }
            await eventually(() => all() === sent, 90_000);
            await node.start();
          }
          assert.deepEqual([...new Set(got.map(([, n]) => n))].sort((a, b) => a - b), [...Array(sent).keys()]);
          // Each id is that of one message.
          const byId = new Map<string, number>();
          for (const [id, n] of got) assert.equal(byId.get(id) ?? n, n), byId.set(id, n);
          if (groupID === "") assert.equal(byId.size, sent);
        });
      } finally {
        await Promise.race([
          Promise.all([producer.close(), consumer.close(true)]),
          new Promise((go) => setTimeout(go, 5000)),
        ])
          .catch(() => {});
        await cluster.stop();
      }
    },
  );
}
