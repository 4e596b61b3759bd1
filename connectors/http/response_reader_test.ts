import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { test } from "node:test";
import { SeededRandom } from "../../src/value/seeded_random.ts";
import { BadResponse, ResponseReader } from "./response_reader.ts";

const limit = { bytesMax: 1000, beyond: "refuse" } as const;

interface Answer {
  readonly title: string;
  readonly bytes: string;
  readonly method?: string;
  readonly status: number;
  readonly body: string;
  /** False: only the end of the connection ends it. */
  readonly ends?: false;
  readonly keepsOpen: boolean;
}

const answers: readonly Answer[] = [
  {
    title: "a length",
    bytes: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    status: 200,
    body: "hello",
    keepsOpen: true,
  },
  { title: "no body", bytes: "HTTP/1.1 204 No Content\r\n\r\n", status: 204, body: "", keepsOpen: true },
  {
    title: "chunks with extensions and trailers",
    bytes: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4;x=y\r\nhell\r\n1\r\no\r\n0\r\nChecksum: 1\r\n\r\n",
    status: 200,
    body: "hello",
    keepsOpen: true,
  },
  {
    title: "an answer to HEAD",
    bytes: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
    method: "HEAD",
    status: 200,
    body: "",
    keepsOpen: true,
  },
  {
    title: "everything until the end",
    bytes: "HTTP/1.0 200 OK\r\n\r\nhello",
    status: 200,
    body: "hello",
    ends: false,
    keepsOpen: false,
  },
  {
    title: "HTTP/1.0 that keeps open",
    bytes: "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nx",
    status: 200,
    body: "x",
    keepsOpen: true,
  },
  {
    title: "a connection that is closed",
    bytes: "HTTP/1.1 500 Oh\r\nConnection: Close\r\ncontent-length:0\r\n\r\n",
    status: 500,
    body: "",
    keepsOpen: false,
  },
  {
    title: "what is said in between",
    bytes:
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 201\r\nContent-Length: 0\r\n\r\n",
    status: 201,
    body: "",
    keepsOpen: true,
  },
  {
    title: "bare line feeds",
    bytes: "HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
    status: 200,
    body: "ok",
    keepsOpen: true,
  },
  {
    title: "equal lengths twice",
    bytes: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok",
    status: 200,
    body: "ok",
    keepsOpen: true,
  },
  {
    title: "a length beside chunks, which nobody trusts twice",
    bytes: "HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    status: 200,
    body: "ok",
    keepsOpen: false,
  },
];

for (const { title, bytes, method = "GET", status, body, ends, keepsOpen } of answers) {
  test(`ResponseReader reads ${title}, in any pieces`, () => {
    const random = new SeededRandom(7);
    const all = Buffer.from(bytes);
    const cuts = [() => all.length, () => 1, () => 1 + random.below(9)];
    for (const cut of cuts) {
      const reader = new ResponseReader(method, limit);
      for (let at = 0; at < all.length;) {
        assert.equal(reader.isDone, false);
        const size = cut();
        reader.push(all.subarray(at, at + size));
        at += size;
      }
      assert.equal(reader.isDone, ends !== false);
      assert.equal(reader.end(), true);
      const { response } = reader;
      assert.deepEqual([response.status, Buffer.from(response.body).toString()], [status, body]);
      assert.equal(reader.keepsOpen, keepsOpen);
    }
  });
}

const bad: readonly [title: string, bytes: string][] = [
  ["another protocol", "SSH-2.0-OpenSSH_9.2\r\n"],
  ["HTTP/2", "HTTP/2 200 OK\r\n\r\n"],
  ["a status of no three digits", "HTTP/1.1 20 OK\r\n\r\n"],
  ["a change of protocol", "HTTP/1.1 101 Switching\r\n\r\n"],
  ["two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n"],
  ["a negative length", "HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\n"],
  ["a length of too many bytes", "HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n"],
  ["chunks of too many bytes", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n"],
  ["a body of too many bytes", `HTTP/1.1 200 OK\r\n\r\n${"x".repeat(1001)}`],
  ["a chunk without a size", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n"],
  ["a chunk with a sign", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n+2\r\nok\r\n0\r\n\r\n"],
  ["a chunk that is longer than its size", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nok\r\n0\r\n\r\n"],
  ["an unknown transfer encoding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"],
  ["a header without a name", "HTTP/1.1 200 OK\r\n: x\r\n\r\n"],
  ["a header that goes on in the next line", "HTTP/1.1 200 OK\r\nA: x\r\n Content-Length: 1\r\n\r\n"],
  ["a head without an end", `HTTP/1.1 200 OK\r\n${"A: b\r\n".repeat(12_000)}`],
];

for (const [title, bytes] of bad) {
  test(`ResponseReader refuses ${title}`, () => {
    for (const size of [bytes.length, 100]) {
      const reader = new ResponseReader("GET", limit);
      assert.throws(() => {
        for (let at = 0; at < bytes.length; at += size) reader.push(Buffer.from(bytes.slice(at, at + size)));
      }, BadResponse);
    }
  });
}

test("ResponseReader takes a body in a great many pieces", () => {
  const reader = new ResponseReader("GET", { bytesMax: 1_000_000, beyond: "refuse" });
  reader.push(Buffer.from("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"));
  for (let i = 0; i < 300_000; i++) {
    reader.push(Buffer.from(`1\r\n${String.fromCharCode(97 + i % 26)}`));
    reader.push(Buffer.from("\r\n"));
  }
  reader.push(Buffer.from("0\r\n\r\n"));
  const body = Buffer.from(reader.response.body).toString();
  assert.equal(body.length, 300_000);
  for (const i of [0, 1, 77, 299_999]) assert.equal(body.charCodeAt(i), 97 + i % 26);
});

test("ResponseReader cuts a body that is too long when it shall, and knows where it ends", () => {
  const long = "x".repeat(100);
  const bodies = [
    `Content-Length: 100\r\n\r\n${long}`,
    `Transfer-Encoding: chunked\r\n\r\n64\r\n${long}\r\n0\r\n\r\n`,
  ];
  for (const body of bodies) {
    for (const size of [7, 1000]) {
      const reader = new ResponseReader("GET", { bytesMax: 10, beyond: "cut" });
      const bytes = Buffer.from(`HTTP/1.1 200 OK\r\n${body}`);
      for (let at = 0; at < bytes.length; at += size) reader.push(bytes.subarray(at, at + size));
      assert.deepEqual([reader.isDone, reader.keepsOpen], [true, true]);
      assert.equal(Buffer.from(reader.response.body).toString(), "x".repeat(10));
    }
  }
});

test("ResponseReader tells an answer that is cut off, and one that has too much", () => {
  const cut = new ResponseReader("GET", limit);
  cut.push(Buffer.from("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel"));
  assert.equal(cut.end(), false);
  const surplus = new ResponseReader("GET", limit);
  surplus.push(Buffer.from("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n"));
  assert.deepEqual([surplus.isDone, surplus.keepsOpen], [true, false]);
});

test("ResponseReader never ends otherwise than with an answer or BadResponse, whatever comes", () => {
  const random = new SeededRandom(11);
  const pieces = [
    "HTTP/1.1 ",
    "200",
    " OK",
    "\r\n",
    "\n",
    "Content-Length",
    ": ",
    "Transfer-Encoding: chunked",
    "5",
    "hello",
  ];
  for (let round = 0; round < 20_000; round++) {
    const reader = new ResponseReader("GET", { bytesMax: 100, beyond: "refuse" });
    try {
      for (let i = 0; i < 12; i++) {
        const text = random.below(10) === 0 ? String.fromCharCode(random.below(256)) : random.pick(pieces);
        reader.push(Buffer.from(text, "latin1"));
      }
      reader.end();
      if (reader.isDone) assert.ok(reader.response.status >= 200);
    } catch (error) {
      assert.ok(error instanceof BadResponse, String(error));
    }
  }
});
