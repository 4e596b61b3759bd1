/**
 * Follows an answer that says that the thing is elsewhere.
 * @module
 */
import type { HttpClient, HttpRequest } from "./client.ts";
import type { HttpResponse } from "./response_reader.ts";
import { parseTarget } from "./target.ts";

const redirectsMax = 10;
/** The same request again, with its body. */
const repeating = [307, 308];
/** The same request again where there is nothing to lose: of others, GET would take the place, without the body. */
const safe = [301, 302, 303, 307, 308];
/** What is for one server is not for another. */
const secretHeaders = /^(authorization|cookie|proxy-authorization): .*\r\n/gim;

/**
 * Sends a request and follows where its answers lead. An answer that leads on but is not followed is given back as it is.
 *
 * @throws as `HttpClient.send`
 */
export async function sendFollowing(
  client: HttpClient,
  request: HttpRequest,
  signal: AbortSignal,
): Promise<HttpResponse> {
  let response = await client.send(request, signal);
  if (response.status < 300) return response;
  let next = request;
  for (let hops = 0; hops < redirectsMax; hops++) {
    const location = response.headers.get("location");
    const followed = next.method === "GET" || next.method === "HEAD" ? safe : repeating;
    if (location === undefined || !followed.includes(response.status)) return response;
    let url: string;
    try {
      url = new URL(location, `${next.target.origin}${next.target.path}`).href;
    } catch {
      return response;
    }
    const target = parseTarget(url);
    const headers = target.origin === next.target.origin ? next.headers : next.headers.replace(secretHeaders, "");
    next = { ...next, target, headers };
    response = await client.send(next, signal);
  }
  return response;
}
