/**
 * Settings that sources, lookups and sinks of HTTP share.
 * @module
 */
import * as v from "valibot";
import { duration, stringMap, text } from "../../src/connector/settings.ts";

/** Time to connect and to answer, together. */
export const timeoutSetting = duration({
  description: "Longest wait for an answer, with the time to connect.",
  default: 5000,
  min: 1,
});

/** Where a token comes from, and how it stays valid. */
export const oAuthSetting = v.optional(v.strictObject({
  access: v.strictObject({
    url: text({ description: "Gives a token; asked with POST. Only with `oAuth` it is required." }),
    body: text({ description: "Body of that request, such as a JSON object with user and password.", default: "" }),
    headers: stringMap({ description: "Headers of that request.", default: {} }),
    expire: text({
      description: "Seconds that a token is good for; half of them later it is refreshed. May be a template over the " +
        "token: `{{.expires_in}}`. Without it, a token is only replaced when the server answers 401.",
      default: "",
    }),
  }),
  refresh: v.optional(v.strictObject({
    url: text({ description: "Refreshes the token; asked with POST. Without `refresh`, `access` is asked again." }),
    headers: stringMap({ description: "Headers of that request; templates over the token.", default: {} }),
    body: text({ description: "Body of that request; a template over the token.", default: "" }),
  })),
}));

export type OAuthSettings = NonNullable<v.InferOutput<typeof oAuthSetting>>;
