/**
 * A program that takes requests on a free loopback port, as lean as can be, so that the one who sends is the limit. It
 * prints its port; when all rows are there, what it has counted.
 *
 * ```
 * bun tests/bench/http_receiver.ts ROWS
 * ```
 *
 * A request holds rows `{"n":0,…}`, numbered through: a row that is lost, doubled or out of order is counted as wrong.
 * @module
 */
import { Buffer } from "node:buffer";
import { type AddressInfo, createServer } from "node:net";
import process from "node:process";

const answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const marker = Buffer.from('"n":');
const rowsExpected = Number(process.argv[2]);

let rows = 0;
let requests = 0;
let wrong = 0;
let bytes = 0;
let first = 0;

function take(body: Buffer): void {
  if (requests++ === 0) first = performance.now();
  bytes += body.length;
  for (let at = body.indexOf(marker); at !== -1; at = body.indexOf(marker, at + 5)) {
    let number = 0;
    for (let i = at + marker.length; body[i]! >= 48 && body[i]! <= 57; i++) number = number * 10 + body[i]! - 48;
    if (number !== rows) wrong++;
    rows++;
  }
  if (rows < rowsExpected) return;
  const seconds = (performance.now() - first) / 1000;
  process.stdout.write(`${JSON.stringify({ rows, requests, wrong, bytes, seconds })}\n`);
}

const server = createServer((socket) => {
  let rest: Buffer = Buffer.alloc(0);
  socket.setNoDelay(true);
  socket.on("error", () => {});
  socket.on("data", (chunk: Buffer) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    while (true) {
      const head = rest.indexOf("\r\n\r\n");
      if (head === -1) return;
      const length = Number(/\r\ncontent-length: *(\d+)/i.exec(rest.toString("latin1", 0, head))?.[1] ?? 0);
      const end = head + 4 + length;
      if (rest.length < end) return;
      take(rest.subarray(head + 4, end));
      rest = rest.subarray(end);
      socket.write(answer);
    }
  });
});
server.listen(0, "127.0.0.1", () => process.stdout.write(`${(server.address() as AddressInfo).port}\n`));
