/**
 * Why a connection to an agent over HTTPS was not made, where its certificate is the reason. Engines tell it by codes of
 * OpenSSL or in the words of their own libraries.
 * @module
 */

interface Trouble {
  readonly signs: RegExp;
  readonly reason: string;
  readonly hint: string;
}

const troubles: readonly Trouble[] = [
  {
    signs: /ALTNAME_INVALID|NotValidForName|not valid for name/,
    reason: "its certificate is for another name",
    hint: "name the agent in --server as its certificate does",
  },
  {
    signs: /CERT_HAS_EXPIRED|CERT_NOT_YET_VALID|certificate: (Expired|NotValidYet|certificate (expired|not valid yet))/,
    reason: "its certificate has expired or is not valid yet",
    hint: "give the agent a new one, or look at the clocks",
  },
  {
    signs: /SELF_SIGNED|UNABLE_TO_(VERIFY|GET)|unable to (verify|get)|self[- ]signed|invalid peer certificate/,
    reason: "its certificate is of an authority that is not trusted here",
    hint: "name the file with that authority's certificate: NODE_EXTRA_CA_CERTS=ca.pem weir …",
  },
];

/** Undefined when the certificate is not the reason. */
export function certificateTrouble(error: unknown): { readonly reason: string; readonly hint: string } | undefined {
  const told: string[] = [];
  for (let each = error; each instanceof Error; each = each.cause) {
    told.push(String((each as { code?: unknown }).code ?? ""), each.message);
  }
  const text = told.join("\n");
  return troubles.find(({ signs }) => signs.test(text));
}
