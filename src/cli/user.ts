/**
 * `weir user …`: people who may use the admin interface. With `--data-dir` it works on the store itself, for the first user of an
 * installation and for one who has lost his password.
 * @module
 */
import { userInfo } from "node:os";
import process from "node:process";
import { Auditor } from "../audit/auditor.ts";
import { Accounts, generatePassword } from "../auth/accounts.ts";
import { roles } from "../auth/role.ts";
import { didYouMean } from "../diagnostics/suggest.ts";
import { openStore } from "../store/sqlite.ts";
import { createLog } from "../telemetry/log.ts";
import { AgentClient, clientFlags, operand, readVerb, tableText } from "./client.ts";
import { type Arguments, type CliContext, type Command, UsageError } from "./command.ts";

const verbs = ["ls", "add", "passwd", "role", "rm"] as const;

interface ShownUser {
  readonly name: string;
  readonly role: string;
  readonly createdMs: number;
}

/** What the commands do, over REST or on the store. */
interface Users {
  list(): Promise<readonly ShownUser[]>;
  add(name: string, role: string, password: string): Promise<void>;
  setPassword(name: string, password: string): Promise<void>;
  setRole(name: string, role: string): Promise<void>;
  remove(name: string): Promise<void>;
  close(): void;
}

function overRest(args: Arguments, context: CliContext): Users {
  const client = new AgentClient(args, context);
  const of = (name: string) => `/api/v1/users/${encodeURIComponent(name)}`;
  const send = async (method: string, path: string, body?: object) => {
    await client.request(method, path, body === undefined ? undefined : JSON.stringify(body));
  };
  return {
    list: () => client.json("GET", "/api/v1/users"),
    add: (name, role, password) => send("POST", "/api/v1/users", { name, role, password }),
    setPassword: (name, password) => send("PATCH", of(name), { password }),
    setRole: (name, role) => send("PATCH", of(name), { role }),
    remove: (name) => send("DELETE", of(name)),
    close: () => {},
  };
}

/** Throws what opening the store does while an agent runs on it. */
function onStore(directory: string, context: CliContext): Users {
  const { store, delivery, audit: trail } = openStore(directory);
  const accounts = new Accounts(store);
  const log = createLog({ level: "warn", format: "human", write: context.stderr });
  const auditor = new Auditor({ trail, log });
  const done = (verb: string, subject: string) =>
    auditor.record({ action: `weir user ${verb}`, actor: `machine ${ownName()}`, subject });
  return {
    list: () => Promise.resolve(accounts.list("user")),
    add: async (name, role, password) => {
      await accounts.addUser(name, role, password);
      done("add", `${name} as ${role}`);
    },
    setPassword: async (name, password) => {
      await accounts.setPassword(name, password);
      done("passwd", name);
    },
    setRole: async (name, role) => {
      await accounts.setRole("user", name, role);
      done("role", `${name} as ${role}`);
    },
    remove: async (name) => {
      await accounts.remove("user", name);
      done("rm", name);
    },
    close: () => {
      delivery.close();
      store.close();
    },
  };
}

/** Of a container, the user may have a number and no name. */
function ownName(): string {
  try {
    return userInfo().username;
  } catch {
    return `uid ${process.getuid?.() ?? "unknown"}`;
  }
}

/** The password of standard input, or a new one, which is told. */
async function readPassword(args: Arguments, context: CliContext): Promise<{ password: string; isNew: boolean }> {
  if (args.flag("generate")) return { password: generatePassword(), isNew: true };
  if (args.flag("password-stdin")) return { password: (await context.stdin()).replace(/\r?\n$/, ""), isNew: false };
  throw new UsageError(
    "no password was given",
    "pass --generate, or --password-stdin and the password on standard input",
  );
}

async function run(args: Arguments, context: CliContext): Promise<number> {
  const verb = readVerb(args, verbs, (name) => didYouMean(name, verbs));
  const directory = args.text("data-dir");
  const name = verb === "ls" ? "" : operand(args, 1, "the name of the user", verb === "role" ? 2 : 1);
  // What the command line lacks is said before anything is opened.
  const secret = verb === "add" || verb === "passwd" ? await readPassword(args, context) : undefined;
  const users = directory === undefined ? overRest(args, context) : onStore(directory, context);
  try {
    switch (verb) {
      case "ls": {
        const all = await users.list();
        if (args.flag("json")) context.stdout(`${JSON.stringify(all)}\n`);
        else context.stdout(listText(all));
        break;
      }
      case "add":
        await users.add(name, args.text("role") ?? "viewer", secret!.password);
        context.stdout(`User ${name} is added.\n`);
        break;
      case "passwd":
        await users.setPassword(name, secret!.password);
        context.stdout(`The password of user ${name} is changed.\n`);
        break;
      case "role":
        await users.setRole(name, operand(args, 2, `the role: ${roles.join(", ")}`, 2));
        context.stdout(`The role of user ${name} is changed.\n`);
        break;
      case "rm":
        await users.remove(name);
        context.stdout(`User ${name} is removed.\n`);
        break;
      default:
        verb satisfies never;
    }
  } finally {
    users.close();
  }
  if (secret?.isNew === true) context.stdout(`Password: ${secret.password}\nIt is not shown again.\n`);
  return 0;
}

function listText(users: readonly ShownUser[]): string {
  if (users.length === 0) return "No users are found.\n";
  const lines = users.map(({ name, role, createdMs }) => [name, role, new Date(createdMs).toISOString()]);
  return tableText(["NAME", "ROLE", "CREATED"], lines);
}

export const user: Command = {
  usage: [
    "weir user ls",
    "weir user add NAME --role viewer|operator|editor|admin --generate | --password-stdin",
    "weir user passwd NAME --generate | --password-stdin",
    "weir user role NAME ROLE",
    "weir user rm NAME",
  ],
  flags: {
    ...clientFlags,
    role: { type: "string", value: "ROLE", summary: "viewer, operator, editor or admin; viewer" },
    generate: { type: "boolean", summary: "make a password up, and print it once" },
    "password-stdin": { type: "boolean", summary: "read the password from standard input" },
    "data-dir": { type: "string", value: "DIR", summary: "work on the store of an agent that does not run" },
  },
  details: "The first user must be an admin. From then on every request wants a credential, also from this machine.",
  run,
};
