/**
 * Starts an OPC UA server of others, that of Python's asyncua, on a free loopback port, for tests. It stands in no Debian
 * package, so its Python is one of its own: `scripts/peers.ts` says how to make it.
 *
 * It has the nodes `ns=2;s=…`: `temperature`, `n` and `control`, and one of each type of value. What is written to `control` it
 * carries out, and empties it: `status temperature BadSensorFailure`, or `reset`, after which all is as at the start.
 * @module
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { peersPython } from "../../scripts/peers.ts";
import { freePort, listens, ServerProcess } from "./server_process.ts";

const program = `
import asyncio, datetime, json, sys
from asyncua import Server, ua
from asyncua.crypto.permission_rules import SimpleRoleRuleset
from asyncua.server.user_managers import UserManager, User, UserRole

options = json.loads(sys.argv[1])

class Users(UserManager):
    def get_user(self, iserver, username=None, password=None, certificate=None):
        if options["users"] is None or options["users"].get(username) == password is not None:
            return User(role=UserRole.Admin)
        return None

async def main():
    server = Server(user_manager=Users())
    await server.init()
    server.set_endpoint(options["url"])
    await server.set_application_uri("urn:weir:test:server")
    policies = [ua.SecurityPolicyType.NoSecurity]
    if options["cert"]:
        await server.load_certificate(options["cert"])
        await server.load_private_key(options["key"])
        policies = [ua.SecurityPolicyType.Basic256Sha256_Sign, ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt]
    server.set_security_policy(policies, permission_ruleset=SimpleRoleRuleset())
    index = await server.register_namespace("urn:weir:test")
    plant = await server.nodes.objects.add_object(index, "Plant")
    T = ua.VariantType
    values = {
        "temperature": (20.5, T.Double), "n": (-1, T.Int64), "control": ("", T.String),
        "sbyte": (-8, T.SByte), "byte": (200, T.Byte), "i16": (-1600, T.Int16), "u16": (65000, T.UInt16),
        "i32": (-320000, T.Int32), "u32": (4000000000, T.UInt32), "i64": (-6400000000000, T.Int64),
        "u64": (18446744073709551615, T.UInt64), "float": (0.1, T.Float), "flag": (True, T.Boolean),
        "text": ("Z\\u00fcrich", T.String), "bytes": (b"\\x01\\xff", T.ByteString),
        "when": (datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc), T.DateTime),
        "list": ([1.5, 2.5], T.Double), "local": (ua.LocalizedText("pump"), T.LocalizedText),
    }
    nodes = {}
    for name, (value, kind) in values.items():
        nodes[name] = await plant.add_variable(ua.NodeId(name, index), name, value, kind)
        await nodes[name].set_writable()
    async with server:
        print("ready", flush=True)
        while True:
            await asyncio.sleep(0.02)
            command = await nodes["control"].read_value()
            if not command:
                continue
            if command == "reset":
                for name, (value, kind) in values.items():
                    await nodes[name].write_value(value, kind)
                continue
            await nodes["control"].write_value("")
            what, name, argument = command.split(" ")
            variant = ua.Variant(*values[name])
            status = ua.StatusCode(getattr(ua.StatusCodes, argument))
            stamp = datetime.datetime.now(datetime.timezone.utc)
            await nodes[name].write_value(ua.DataValue(variant, StatusCode=status, SourceTimestamp=stamp))

asyncio.run(main())
`;

export interface OpcUaServerOptions {
  /** Names and passwords; without them anybody may come. */
  readonly users?: Readonly<Record<string, string>>;
  /** Only signed, or signed and encrypted, with certificates. */
  readonly secured?: true;
}

/** Files of PEM. */
export interface OpcUaCertificates {
  readonly serverCert: string;
  readonly clientCert: string;
  readonly clientKey: string;
  /** One that signed nothing. */
  readonly otherCert: string;
}

export interface OpcUaServer {
  readonly url: string;
  readonly port: number;
  readonly certificates: OpcUaCertificates | undefined;
  readonly process: ServerProcess;
  stop(): Promise<void>;
}

export async function startOpcUaServer({ users, secured }: OpcUaServerOptions = {}): Promise<OpcUaServer> {
  const folder = mkdtempSync(join(tmpdir(), "weir-opcua-"));
  const port = await freePort();
  const url = `opc.tcp://127.0.0.1:${port}/plant`;
  const file = (name: string) => join(folder, name);
  if (secured) { for (const name of ["server", "client", "other"]) makeCertificate(folder, name); }
  const options = {
    url,
    users: users ?? null,
    cert: secured ? file("server.pem") : null,
    key: secured ? file("server.key.pem") : null,
  };
  const process = new ServerProcess({
    program: peersPython,
    args: ["-u", "-c", program, JSON.stringify(options)],
    ready: () => listens(port),
  });
  await process.start();
  return {
    url,
    port,
    process,
    certificates: secured
      ? {
        serverCert: file("server.pem"),
        clientCert: file("client.pem"),
        clientKey: file("client.key.pem"),
        otherCert: file("other.pem"),
      }
      : undefined,
    stop: async () => {
      await process.kill();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function makeCertificate(folder: string, name: string): void {
  execFileSync("openssl", [
    ...["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", `${name}.key.pem`, "-out", `${name}.pem`],
    ...["-subj", `/CN=weir test ${name}`, "-days", "2"],
    ...["-addext", `subjectAltName=URI:urn:weir:test:${name},DNS:localhost,IP:127.0.0.1`],
    ...["-addext", "keyUsage=digitalSignature,nonRepudiation,keyEncipherment,dataEncipherment,keyCertSign"],
    ...["-addext", "extendedKeyUsage=serverAuth,clientAuth"],
  ], { cwd: folder, stdio: "pipe" });
}
