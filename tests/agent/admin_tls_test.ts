/**
 * The REST interface over TLS, of a real agent: certificates that change while it runs, and clients that show theirs.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { request as httpsRequest } from "node:https";
import { join } from "node:path";
import { test } from "node:test";
import type { TLSSocket } from "node:tls";
import { eventually } from "../eventually.ts";
import { makeCertificates } from "../peers/certificates.ts";
import { Agent, weir, withAgent, withFolder } from "./agent.ts";

interface Client {
  readonly cert?: string;
  readonly key?: string;
  readonly authorization?: string;
}

interface Told {
  readonly status: number;
  readonly text: string;
  /** Common name of the server. */
  readonly server: string;
}

/** Of a folder with certificates: more of them, by the same authority. */
function issue(folder: string, name: string, subject: string, extensions: string): { cert: string; key: string } {
  const openssl = (...args: string[]) => void execFileSync("openssl", args, { cwd: folder, stdio: "pipe" });
  writeFileSync(join(folder, `${name}.ext`), extensions);
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  openssl("req", ...key, "-keyout", `${name}.key`, "-out", `${name}.csr`, "-subj", subject);
  const ca = ["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", `${name}.ext`];
  openssl("x509", "-req", "-in", `${name}.csr`, ...ca, "-days", "2", "-out", `${name}.crt`);
  return { cert: join(folder, `${name}.crt`), key: join(folder, `${name}.key`) };
}

const serverNames = "subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth\n";

function ask(
  url: string,
  ca: string,
  path: string,
  client: Client = {},
  method = "GET",
  body?: unknown,
): Promise<Told> {
  return new Promise((resolve, reject) => {
    const pem = (file: string | undefined) => file === undefined ? undefined : readFileSync(file, "utf8");
    const options = {
      method,
      agent: false,
      ca: pem(ca)!,
      ...(client.cert === undefined ? {} : { cert: pem(client.cert)!, key: pem(client.key)! }),
      headers: client.authorization === undefined ? {} : { Authorization: client.authorization },
    };
    const request = httpsRequest(url + path, options, (response) => {
      const server = String((response.socket as TLSSocket).getPeerCertificate().subject.CN);
      let text = "";
      response.on("data", (chunk) => text += chunk);
      response.on("end", () => resolve({ status: response.statusCode!, text, server }));
    });
    request.on("error", reject);
    request.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

const valueOf = (metrics: string, line: string) => Number(new RegExp(`^${line} (.+)$`, "m").exec(metrics)?.[1] ?? NaN);

test("a new certificate is in use without a restart; one that cannot be used is refused and told", () =>
  withFolder(async (folder) => {
    const { ca, serverCert, serverKey } = makeCertificates(folder);
    const second = issue(folder, "second", "/CN=weir second server", serverNames);
    const [certFile, keyFile] = [join(folder, "now.crt"), join(folder, "now.key")];
    copyFileSync(serverCert, certFile);
    copyFileSync(serverKey, keyFile);
    const config = join(folder, "weir.yaml");
    writeFileSync(config, `tls: { certFile: ${certFile}, keyFile: ${keyFile} }\n`);
    await withAgent(async (agent) => {
      const first = await ask(agent.url, ca, "/metrics");
      assert.equal(first.server, "weir test server");
      const expires = valueOf(first.text, 'weir_certificate_expires_timestamp_seconds\\{server="admin"\\}');
      assert.ok(Math.abs(expires - Date.now() / 1000 - 2 * 86_400) < 3_600, String(expires));
      assert.match(agent.output().stderr, /The certificate expires soon.*server=admin/);

      writeFileSync(certFile, "not a certificate");
      const refused = 'weir_certificate_changes_total\\{server="admin",result="refused"\\}';
      await eventually(async () => valueOf((await ask(agent.url, ca, "/metrics")).text, refused) === 1, 60_000);
      assert.match(agent.output().stderr, /A new certificate is refused, the old one stays.*E716/);

      copyFileSync(second.cert, certFile);
      copyFileSync(second.key, keyFile);
      await eventually(async () => (await ask(agent.url, ca, "/ping")).server === "weir second server", 60_000);
      assert.match(agent.output().stderr, /A new certificate is in use/);
    }, { args: ["--config", config] });
  }));

test("what holders of certificates may do is what the configuration says", () =>
  withFolder(async (folder) => {
    const { ca, serverCert, serverKey, clientCert, clientKey } = makeCertificates(folder);
    const client = "extendedKeyUsage=clientAuth\n";
    const admin = issue(folder, "boss", "/O=Plant/CN=boss", client);
    const line = issue(folder, "line", "/CN=line-7", `${client}subjectAltName=DNS:line-7.plant.example\n`);
    const other = { cert: clientCert, key: clientKey };
    const fingerprint = execFileSync("openssl", ["x509", "-in", admin.cert, "-noout", "-fingerprint", "-sha256"])
      .toString().trim().split("=")[1];
    const config = join(folder, "weir.yaml");
    writeFileSync(
      config,
      `tls:
  certFile: ${serverCert}
  keyFile: ${serverKey}
  clientCaFile: ${ca}
  clientRoles:
    - { fingerprint: "${fingerprint}", role: admin }
    - { alternativeName: "*.plant.example", role: viewer, name: machines }
`,
    );
    await withAgent(async (agent) => {
      const to = (path: string, client: Client, method?: string, body?: unknown) =>
        ask(agent.url, ca, path, client, method, body);
      await assert.rejects(to("/ping", {}), "nobody gets in without a certificate");
      const who = async (client: Client) => JSON.parse((await to("/api/v1/whoami", client)).text);
      assert.deepEqual(await who(admin), { name: "boss", kind: "certificate", role: "admin" });
      assert.deepEqual(await who(line), { name: "machines", kind: "certificate", role: "viewer" });
      assert.equal((await to("/rules", other)).status, 401);
      const sql = 'CREATE STREAM s () WITH (TYPE="simulator")';
      assert.equal((await to("/streams", line, "POST", { sql })).status, 403);
      assert.equal((await to("/streams", admin, "POST", { sql })).status, 201);
      // A credential that comes besides is what counts.
      assert.equal((await to("/rules", { ...admin, authorization: "Bearer wrong" })).status, 401);
      const made = await to("/api/v1/tokens", admin, "POST", { name: "first", role: "admin" });
      assert.equal(made.status, 201, made.text);
      const authorization = `Bearer ${JSON.parse(made.text).token}`;
      assert.equal((await to("/rules", { ...other, authorization })).status, 200);
      assert.equal((await to("/rules", line)).status, 200, "accounts do not switch certificates off");
    }, { args: ["--config", config] });
  }));

test("without a table of roles, a certificate is as good as being on the machine", () =>
  withFolder(async (folder) => {
    const { ca, serverCert, serverKey, clientCert, clientKey } = makeCertificates(folder);
    const config = join(folder, "weir.yaml");
    writeFileSync(config, `tls: { certFile: ${serverCert}, keyFile: ${serverKey}, clientCaFile: ${ca} }\n`);
    await withAgent(async (agent) => {
      const { text } = await ask(agent.url, ca, "/api/v1/whoami", { cert: clientCert, key: clientKey });
      assert.deepEqual(JSON.parse(text), { name: "local", kind: "local", role: "admin" });
    }, { args: ["--config", config] });
  }));

test("certificates that cannot be used are told at the start, with the setting that names them", () =>
  withFolder(async (folder) => {
    const { ca, serverCert, clientKey } = makeCertificates(folder);
    const config = join(folder, "weir.yaml");
    const cases: readonly (readonly [text: string, told: RegExp])[] = [
      [`tls: { certFile: ${serverCert}, keyFile: ${clientKey} }`, /E716[^]*client\.key: it is the key of another cert/],
      [`tls: { certFile: ${serverCert}, keyFile: /nowhere/key }`, /E716[^]*Cannot read \/nowhere\/key/],
      [
        `source: { httpServerTls: { certfile: ${clientKey}, keyfile: ${clientKey} } }`,
        /E716[^]*it holds no certificate in PEM[^]*httpServerTls\.certfile/,
      ],
      [
        `tls: { certFile: ${serverCert}, keyFile: ${clientKey}, clientRoles: [{ commonName: a, role: admin }] }`,
        /expected clientCaFile beside clientRoles/,
      ],
      [
        `tls: { certFile: ${serverCert}, keyFile: ${clientKey}, clientCaFile: ${ca}, clientRoles: [{ role: admin }] }`,
        /expected commonName, alternativeName or fingerprint/,
      ],
    ];
    for (const [text, told] of cases) {
      writeFileSync(config, `${text}\n`);
      await assert.rejects(Agent.start({ args: ["--config", config] }), told);
      const checked = await weir(["config", "check", "-c", config]);
      assert.equal(checked.code, 1);
      assert.match(checked.stderr, told);
    }
  }));
