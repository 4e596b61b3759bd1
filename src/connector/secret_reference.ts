/**
 * Secrets that stand elsewhere: `env:NAME`, `file:/path`, `credential:NAME` (of systemd) in the place of a password.
 * @module
 */
import { readFileSync, statSync } from "node:fs";
import { isAbsolute, join } from "node:path";

export type SecretScheme = "env" | "file" | "credential";

export interface SecretReference {
  readonly scheme: SecretScheme;
  /** Of a variable or credential its name, of a file its path. */
  readonly name: string;
}

export type Environment = Readonly<Record<string, string | undefined>>;

const shape = /^(env|file|credential):([^]+)$/;
/** A text that begins like a reference and is none: `literal:env:x` is the password `env:x`. */
const literal = "literal:";
const bytesMax = 64 * 1024;

/** Undefined for a text that means itself. */
export function secretReference(text: string): SecretReference | undefined {
  const match = shape.exec(text);
  return match === null ? undefined : { scheme: match[1] as SecretScheme, name: match[2]! };
}

/** Where a reference leads: the file, or undefined for a variable. @throws {Error} that says what is wrong, for people */
export function secretFile({ scheme, name }: SecretReference, environment: Environment): string | undefined {
  if (scheme === "env") return undefined;
  if (scheme === "file") {
    if (!isAbsolute(name)) throw new Error(`file:${name} is no absolute path`);
    return name;
  }
  if (!/^[A-Za-z0-9_][A-Za-z0-9_.@-]*$/.test(name)) throw new Error(`credential:${name} is no name of a credential`);
  const directory = environment.CREDENTIALS_DIRECTORY ?? "";
  if (directory === "") {
    throw new Error(`credential:${name}: there are no credentials, which systemd gives to a service`);
  }
  return join(directory, name);
}

/** The text itself, or what it refers to, without the line break at its end. @throws {Error} without the secret in it */
export function resolveSecret(text: string, environment: Environment): string {
  const reference = secretReference(text);
  if (reference === undefined) return text.startsWith(literal) ? text.slice(literal.length) : text;
  const file = secretFile(reference, environment);
  if (file === undefined) {
    const value = environment[reference.name];
    if (value === undefined) throw new Error(`${text}: the variable is not set`);
    return value;
  }
  try {
    if (statSync(file).size > bytesMax) throw new Error(`the file has more than ${bytesMax} bytes`);
    return readFileSync(file, "utf8").replace(/\r?\n$/, "");
  } catch (error) {
    throw new Error(`${text}: ${(error as Error).message}`);
  }
}
