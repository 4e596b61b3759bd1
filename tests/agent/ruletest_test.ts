/**
 * Trial runs of a real agent, heard with curl, over WebSockets and with fetch.
 * @module
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { CurlStream } from "../peers/curl.ts";
import { freePort } from "../peers/server_process.ts";
import { WebSocketPeer } from "../peers/web_socket_peer.ts";
import { type Agent, withAgent } from "./agent.ts";

async function until(condition: () => boolean | Promise<boolean>, what: () => string): Promise<void> {
  const late = Date.now() + 30_000;
  while (!await condition()) {
    assert.ok(Date.now() < late, what());
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

const dataOf = (text: string) => [...text.matchAll(/^data: (.*)$/gm)].map(([, data]) => JSON.parse(data!));

async function withTrials(work: (agent: Agent, port: number) => Promise<void>): Promise<void> {
  const port = await freePort();
  const environment = { WEIR__source__httpServerIp: "127.0.0.1", WEIR__source__httpServerPort: String(port) };
  await withAgent(async (agent) => {
    const demo = 'CREATE STREAM demo () WITH (TYPE="mqtt", DATASOURCE="t", FORMAT="json")';
    await agent.expect(201, "POST", "/streams", { sql: demo });
    await work(agent, port);
  }, { environment });
}

const mockSource = { demo: { data: [{ a: 1 }, { a: 2 }, { a: "x" }], interval: 5, loop: false } };

test("results of a trial run come as an event stream and over WebSockets, to all that listen", async () => {
  await withTrials(async (agent, port) => {
    const sinkProps = { sendSingle: true, fields: ["b"] };
    const trial = { id: "t1", sql: "SELECT a * 10 AS b, a FROM demo", mockSource, sinkProps };
    assert.deepEqual(JSON.parse(await agent.expect(200, "POST", "/ruletest", trial)), { id: "t1", port });
    const url = `http://127.0.0.1:${port}/test/t1`;
    const pages = [new CurlStream([url]), new CurlStream([url])];
    const board = await WebSocketPeer.client(`ws://127.0.0.1:${port}/test/t1`);
    try {
      await until(() => pages.every(({ text }) => text.includes(":\n\n")), () => "the pages do not listen");
      assert.equal(await agent.expect(200, "POST", "/ruletest/t1/start"), "Test rule t1 was started");
      const seen = () => [...pages.map(({ text }) => dataOf(text)), board.texts.map((text) => JSON.parse(text))];
      await until(() => seen().every(({ length }) => length === 3), () => JSON.stringify(seen()));
      for (const [first, second, third] of seen()) {
        assert.deepEqual([first, second], [{ b: 10 }, { b: 20 }]);
        assert.deepEqual(Object.keys(third), ["error"]);
      }
      // It is nowhere to be seen, and can be started again.
      assert.equal(await agent.expect(200, "GET", "/rules"), "[]");
      await agent.expect(404, "GET", "/rules/t1");
      await until(async () => {
        await agent.expect(200, "POST", "/ruletest/t1/start");
        return seen().every(({ length }) => length >= 6);
      }, () => JSON.stringify(seen()));
      assert.equal(await agent.expect(200, "DELETE", "/ruletest/t1"), "Test rule t1 was stopped.");
      await until(() => pages.every(({ ended }) => ended), () => "the streams do not end");
      await assert.rejects(fetch(url), "nothing is served any more, so nothing listens");
    } finally {
      for (const page of pages) await page.stop();
      await board.kill();
    }
  });
});

test("a trial run that is made anew takes the place of the old one; a rule of the same id is another thing", async () => {
  await withTrials(async (agent, port) => {
    const rule = { id: "r", sql: "SELECT * FROM demo", actions: [{ nop: {} }], triggered: false };
    await agent.expect(201, "POST", "/rules", rule);
    const numbers = { demo: { data: [{ a: 1 }, { a: 2 }], interval: 5, loop: false } };
    const trial = (dataTemplate: string) => ({
      id: "r",
      sql: "SELECT a FROM demo",
      mockSource: numbers,
      sinkProps: { dataTemplate },
    });
    await agent.expect(200, "POST", "/ruletest", trial("old"));
    const url = `http://127.0.0.1:${port}/test/r`;
    const old = new CurlStream([url]);
    await until(() => old.text.includes(":\n\n"), () => "nobody listens");
    await agent.expect(200, "POST", "/ruletest", trial('{"n": {{ (index . 0).a }}}'));
    await until(() => old.ended, () => "the old stream does not end");
    const page = new CurlStream([url]);
    try {
      await until(() => page.text.includes(":\n\n"), () => "nobody listens");
      await agent.expect(200, "POST", "/ruletest/r/start");
      await until(() => dataOf(page.text).length >= 2, () => page.text);
      assert.deepEqual(dataOf(page.text).slice(0, 2), [{ n: 1 }, { n: 2 }]);
      await agent.expect(200, "DELETE", "/ruletest/r");
      assert.equal(JSON.parse(await agent.expect(200, "GET", "/rules")).length, 1);
    } finally {
      await page.stop();
      await old.stop();
    }
  });
});

test("listeners that come and go, and trials that are left alone, leave nothing behind", async () => {
  await withTrials(async (agent, port) => {
    const loop = { demo: { data: [{ a: 1 }], interval: 2, loop: true } };
    for (let round = 0; round < 20; round++) {
      await agent.expect(200, "POST", "/ruletest", { id: "t", sql: "SELECT a FROM demo", mockSource: loop });
      await agent.expect(200, "POST", "/ruletest/t/start");
      for (let i = 0; i < 5; i++) {
        const abort = new AbortController();
        const response = await fetch(`http://127.0.0.1:${port}/test/t`, { signal: abort.signal });
        const reader = response.body!.getReader();
        await reader.read();
        abort.abort();
        await reader.read().catch(() => {});
      }
    }
    await agent.expect(200, "DELETE", "/ruletest/t");
    await until(() => fetch(`http://127.0.0.1:${port}/test/t`).then(() => false, () => true), () => "it listens still");
    // The port closes when the last connection has: the agent ends at once.
    await agent.expect(200, "POST", "/ruletest", { id: "t", sql: "SELECT a FROM demo", mockSource: loop });
    await agent.expect(200, "POST", "/ruletest/t/start");
    const page = new CurlStream([`http://127.0.0.1:${port}/test/t`]);
    await until(() => dataOf(page.text).length > 3, () => page.text);
    assert.equal(await agent.end(), 0);
    await page.stop();
  });
});
