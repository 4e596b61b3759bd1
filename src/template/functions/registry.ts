/**
 * The list of functions that templates know, and of those they do not have on purpose.
 * @module
 */
import { addressFunctions } from "./addresses.ts";
import { choiceFunctions } from "./choices.ts";
import { comparisons } from "./compare.ts";
import { conversionFunctions } from "./conversion.ts";
import { dateFunctions } from "./dates.ts";
import type { TemplateFunction } from "./declare.ts";
import { encodingFunctions } from "./encoding.ts";
import { listFunctions } from "./lists.ts";
import { mapFunctions } from "./maps.ts";
import { numberFunctions } from "./numbers.ts";
import { patternFunctions } from "./patterns.ts";
import { textFunctions } from "./text.ts";

/** Every function but `and` and `or`, which do not compute all of their arguments. */
export const allFunctions: readonly TemplateFunction[] = [
  ...comparisons,
  ...choiceFunctions,
  ...textFunctions,
  ...patternFunctions,
  ...numberFunctions,
  ...listFunctions,
  ...mapFunctions,
  ...dateFunctions,
  ...conversionFunctions,
  ...encodingFunctions,
  ...addressFunctions,
];

/** By name and alias. */
export const functions: ReadonlyMap<string, TemplateFunction> = new Map(
  allFunctions.flatMap((entry) => [entry.name, ...entry.aliases].map((name) => [name, entry] as const)),
);

const cryptography = "templates make no keys, certificates or passwords";
const system = "templates see nothing of the machine they run on";

/** Names that others know, with the reason why they are refused here. */
export const leftOut: ReadonlyMap<string, string> = new Map([
  ["call", "no value of a row is a function"],
  ["prop", "write what the row holds; properties of rules cannot be reached"],
  ...["env", "expandenv", "getHostByName", "osBase", "osDir", "osClean", "osExt", "osIsAbs"].map((name) =>
    [name, system] as const
  ),
  ...[
    "bcrypt",
    "htpasswd",
    "derivePassword",
    "genPrivateKey",
    "genCA",
    "genCAWithKey",
    "genSelfSignedCert",
    "genSelfSignedCertWithKey",
    "genSignedCert",
    "genSignedCertWithKey",
    "buildCustomCert",
    "encryptAES",
    "decryptAES",
  ].map((name) => [name, cryptography] as const),
]);
