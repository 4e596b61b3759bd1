import assert from "node:assert/strict";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { addressGuard } from "../../src/runtime/private_network.ts";
import { Uploads, type UploadsOptions } from "../../src/runtime/uploads.ts";
import { admin, type Answer } from "./fixture.ts";

interface Fixture {
  /** The data directory. */
  readonly directory: string;
  readonly folder: string;
  readonly uploads: Uploads;
  ask(method: string, path: string, body?: unknown): Promise<Answer>;
  form(parts: readonly [field: string, name: string, content: Uint8Array][]): Promise<{ status: number; text: string }>;
}

async function withUploads(work: (fixture: Fixture) => Promise<void>, options: Partial<UploadsOptions> = {}) {
  const directory = mkdtempSync(join(tmpdir(), "weir-uploads-"));
  try {
    const uploads = new Uploads({ directory, ...options });
    const { app, ask } = admin({ uploads });
    await work({
      directory,
      folder: join(directory, "uploads"),
      uploads,
      ask,
      async form(parts) {
        const body = new FormData();
        for (const [field, name, content] of parts) body.append(field, new File([content as never], name));
        const response = await app.request("http://127.0.0.1/config/uploads", { method: "POST", body });
        return { status: response.status, text: await response.text() };
      },
    });
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

test("files come as JSON and as forms, are listed, replaced and removed", async () => {
  await withUploads(async ({ folder, ask, form }) => {
    assert.equal((await ask("GET", "/config/uploads")).text, "[]");
    const made = await ask("POST", "/config/uploads", { name: "a/b.txt", content: "héllo" });
    assert.deepEqual([made.status, made.text], [201, join(folder, "a/b.txt")]);
    assert.equal(readFileSync(made.text, "utf8"), "héllo");
    await ask("POST", "/config/uploads", { Name: "a/b.txt", Content: "new" });
    assert.equal(readFileSync(made.text, "utf8"), "new");
    const bytes = new Uint8Array([0, 255, 1]);
    const sent = await form([["uploadFile", "model.bin", bytes]]);
    assert.deepEqual(sent, { status: 201, text: join(folder, "model.bin") });
    assert.deepEqual(new Uint8Array(readFileSync(sent.text)), bytes);
    const coded = await ask("POST", "/config/uploads", { name: "c.bin", base64: "AP8B" });
    assert.deepEqual(new Uint8Array(readFileSync(coded.text)), bytes);
    const listed = await ask("GET", "/config/uploads");
    assert.deepEqual(listed.json(), ["a", "c.bin", "model.bin"].map((name) => join(folder, name)));
    assert.deepEqual(await ask("DELETE", "/config/uploads/model.bin").then(({ status, text }) => [status, text]), [
      200,
      "ok",
    ]);
    assert.equal((await ask("DELETE", "/config/uploads/a%2Fb.txt")).status, 200);
    assert.deepEqual(readdirSync(folder), ["c.bin"]);
    for (const name of ["model.bin", "a"]) {
      const gone = await ask("DELETE", `/config/uploads/${name}`);
      assert.deepEqual([gone.status, gone.json().error], [400, 1000]);
      assert.match(gone.json().message, /^Error deleting the file: there is no file/);
    }
  });
});

test("no name leads out of the folder", async () => {
  await withUploads(async ({ directory, folder, ask, form }) => {
    mkdirSync(folder);
    writeFileSync(join(directory, "outside"), "mine");
    symlinkSync(directory, join(folder, "link"));
    symlinkSync(join(directory, "outside"), join(folder, "file_link"));
    const names = [
      ...["../x", "a/../../x", "..", ".", "/etc/x", "a//b", "a/", "a\\..\\x", "a\0b", "link/x", "link/uploads/x"],
      ...["x".repeat(300), Array(20).fill("a").join("/"), ".upload-1"],
    ];
    for (const name of names) {
      const { status, text, json } = await ask("POST", "/config/uploads", { name, content: "evil" });
      assert.equal(status, 400, `${name}: ${text}`);
      assert.equal(json().error, 1000);
    }
    assert.equal((await form([["uploadFile", "../x", new Uint8Array(1)]])).status, 400);
    for (const path of ["..%2Foutside", "link%2Foutside", "%2e%2e%2foutside"]) {
      assert.equal((await ask("DELETE", `/config/uploads/${path}`)).status, 400, path);
    }
    // A link is replaced, and what it leads to stays.
    assert.equal((await ask("POST", "/config/uploads", { name: "file_link", content: "new" })).status, 201);
    assert.equal(readFileSync(join(directory, "outside"), "utf8"), "mine");
    assert.deepEqual(readdirSync(directory).sort(), ["outside", "uploads"]);
  });
});

test("bodies that hold no file are refused", async () => {
  await withUploads(async ({ ask, form }) => {
    const refused: [body: unknown, message: RegExp][] = [
      ["{", /^Invalid body: Error decoding/],
      [{ content: "x" }, /^Invalid body: missing necessary field: name$/],
      [{ name: "x" }, /^Invalid body: missing necessary field: file or content$/],
      [{ name: "x", base64: "é" }, /base64/],
      [{ name: "x", file: "ftp://host/x" }, /^Cannot read/],
      [{ name: "x", file: "nosuch" }, /^Cannot read/],
      [{ name: "x", file: "file:///etc/hostname" }, /^Files are read in the data directory only/],
      [{ name: "x", file: "/etc/hostname" }, /^Files are read in the data directory only/],
      [{ name: "x", file: "../x" }, /leads out of the data directory/],
      [{ name: "x", file: "weir.db" }, /belongs to weir itself/],
    ];
    for (const [body, message] of refused) {
      const answer = await ask("POST", "/config/uploads", body);
      assert.equal(answer.status, 400, answer.text);
      assert.match(answer.json().message, message);
    }
    assert.equal((await form([])).status, 400);
    assert.equal((await form([["file", "a", new Uint8Array(1)]])).status, 400);
    assert.equal(
      (await form([["uploadFile", "a", new Uint8Array(1)], ["uploadFile", "b", new Uint8Array(1)]])).status,
      400,
    );
  });
});

test("number and bytes of files are bounded, also when they come at once", async () => {
  await withUploads(async ({ ask, uploads }) => {
    const answers = await Promise.all(
      ["a", "b", "c", "d"].map((name) => ask("POST", "/config/uploads", { name, content: "1234" })),
    );
    assert.deepEqual(answers.map(({ status }) => status), [201, 201, 400, 400]);
    assert.equal((await ask("POST", "/config/uploads", { name: "a", content: "123456" })).status, 201);
    assert.equal((await ask("POST", "/config/uploads", { name: "a", content: "1234567" })).status, 400);
    assert.equal((await ask("DELETE", "/config/uploads/a")).status, 200);
    assert.equal((await ask("POST", "/config/uploads", { name: "c", content: "1" })).status, 201);
    assert.equal((await ask("POST", "/config/uploads", { name: "d", content: "1" })).status, 400);
    assert.equal((await uploads.files()).length, 2);
  }, { limits: { bytesMax: 10, filesMax: 2 } });
});

test("a file is fetched from a web server, unless its address is refused or it is too large", async () => {
  const server = createServer((request, response) => {
    if (request.url === "/moved") return void response.writeHead(302, { Location: "/file" }).end();
    if (request.url === "/round") return void response.writeHead(302, { Location: "/round" }).end();
    if (request.url === "/large") return void response.end("x".repeat(100));
    if (request.url !== "/file") return void response.writeHead(404).end();
    response.end("content");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  try {
    const limits = { fetchedBytesMax: 50 };
    await withUploads(async ({ folder, ask }) => {
      assert.equal(
        (await ask("POST", "/config/uploads", { name: "f", content: "no", file: `${url}/moved` })).status,
        201,
      );
      assert.equal(readFileSync(join(folder, "f"), "utf8"), "content");
      for (
        const [path, message] of [["/round", /more than 5 times/], ["/large", /50 bytes/], ["/nosuch", /404/]] as const
      ) {
        const answer = await ask("POST", "/config/uploads", { name: "g", file: url + path });
        assert.equal(answer.status, 400);
        assert.match(answer.json().message, message);
      }
      assert.ok(!existsSync(join(folder, "g")));
    }, { limits });
    const refusesAddress = addressGuard({ privateAddresses: "refuse", allow: [] });
    await withUploads(async ({ ask }) => {
      for (const host of [url, url.replace("127.0.0.1", "localhost")]) {
        const answer = await ask("POST", "/config/uploads", { name: "f", file: `${host}/file` });
        assert.match(answer.json().message, /is in a private network/);
      }
    }, { refusesAddress });
  } finally {
    server.closeAllConnections();
    server.close();
  }
});

test("what a crash has left of a file is gone with the next start, and never listed", async () => {
  await withUploads(async ({ directory, folder, uploads }) => {
    await uploads.put("a", new Uint8Array(1));
    writeFileSync(join(folder, ".upload-x"), "half");
    assert.deepEqual(await uploads.list(), [join(folder, "a")]);
    new Uploads({ directory });
    assert.deepEqual(readdirSync(folder), ["a"]);
  });
});

test("requests() gives files as texts, bytes or places, and restore() takes them back", async () => {
  await withUploads(async ({ folder, uploads }) => {
    await uploads.put("a/t.txt", new TextEncoder().encode("text"));
    await uploads.put("b.bin", new Uint8Array([255]));
    await uploads.put("large", new Uint8Array(100));
    const requests = await uploads.requests(50);
    assert.deepEqual(Object.values(requests).map((text) => JSON.parse(text)), [
      { name: "a/t.txt", content: "text" },
      { name: "b.bin", base64: "/w==" },
      { name: "large", file: join(folder, "large") },
    ]);
    await uploads.delete("a/t.txt");
    await uploads.delete("b.bin");
    for (const [name, text] of Object.entries(requests)) await uploads.restore(name, JSON.parse(text));
    assert.deepEqual((await uploads.files()).map(({ name, bytes }) => [name, bytes]), [
      ["a/t.txt", 4],
      ["b.bin", 1],
      ["large", 100],
    ]);
  });
});
