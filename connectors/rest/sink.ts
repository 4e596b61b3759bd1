/**
 * Sends messages as requests, one after the other or some at once.
 *
 * A batch that was broken off goes on with the messages that are not answered yet when it is written again, also by the
 * next sink of the action: the engine hands in the same array.
 * @module
 */
import type { OpenContext } from "../../src/connector/declare.ts";
import { ItemsFailed, RetryLater } from "../../src/connector/errors.ts";
import { refuseSetting } from "../../src/connector/settings.ts";
import type { MessageSettings, Payload, PayloadSink } from "../../src/connector/sink.ts";
import { tlsOptions } from "../../src/connector/tls_settings.ts";
import { isTemplate } from "../../src/template/template.ts";
import type { Struct } from "../../src/value/value.ts";
import { refusing } from "../http/check.ts";
import { HttpClient } from "../http/client.ts";
import { bodyOf } from "../http/content_encoding.ts";
import { TokenKeeper } from "../http/oauth.ts";
import { sendFollowing } from "../http/redirect.ts";
import { excerpt, refusalOf, requestText, retryAfter } from "../http/response_check.ts";
import type { HttpResponse } from "../http/response_reader.ts";
import { BadRequest, parseTarget } from "../http/target.ts";
import type { RestSettings } from "./check.ts";
import {
  type MessageMarks,
  type RequestPlan,
  RequestPlanner,
  type RequestSettings,
  withPayload,
} from "./request_plan.ts";

/** Wait before a request is repeated whose answer names none. */
const retryMs = 1000;
/** Nobody reads more of an answer than its start and its `code`; the rest must not make a message that was taken fail. */
const answerBytesMax = 1024 * 1024;

/** What is done of a batch that was broken off. */
interface Begun {
  readonly isDone: boolean[];
  readonly failed: Map<number, string>;
}

const begun = new WeakMap<readonly unknown[], Begun>();

/** Opens the sink when its server takes connections, where there is one server for all messages. */
export async function openRest(settings: RestSettings, context: OpenContext): Promise<PayloadSink> {
  const client = new HttpClient({
    context,
    tls: tlsOptions(settings),
    timeoutMs: settings.timeout,
    bodyLimit: { bytesMax: answerBytesMax, beyond: "cut" },
    requestsMax: settings.parallelRequests,
  });
  if (!isTemplate(settings.url)) {
    const target = refusing("url", () => parseTarget(settings.url));
    try {
      await client.reach(target);
    } catch (error) {
      await client.close();
      if (error instanceof BadRequest) refuseSetting("url", error.message);
      throw error;
    }
  }
  return new RestSink(settings, context, client);
}

export class RestSink implements PayloadSink {
  readonly #settings: RestSettings;
  readonly #context: OpenContext;
  readonly #client: HttpClient;
  readonly #planner: RequestPlanner;
  readonly #tokens: TokenKeeper | undefined;
  /** The plan of messages without settings of their own, and the token that it was made with. */
  #plan: { readonly plan: RequestPlan; readonly token: Struct | undefined } | undefined;

  constructor(settings: RestSettings, context: OpenContext, client: HttpClient) {
    const { oAuth } = settings;
    const { clock, log } = context;
    this.#settings = settings;
    this.#context = context;
    this.#client = client;
    this.#planner = new RequestPlanner(settings, context.payloads);
    this.#tokens = oAuth === undefined ? undefined : new TokenKeeper({ settings: oAuth, client, clock, log });
  }

  async write(
    batch: readonly Payload[],
    signal: AbortSignal,
    ids?: readonly string[],
    settings?: readonly MessageSettings[],
    traceparents?: readonly (string | undefined)[],
  ): Promise<void> {
    signal.throwIfAborted();
    // Bodies that come with settings of their own are put into a new array each time; their ids are not.
    const keys = ids === undefined ? [batch] : [batch, ids];
    const progress = keys.map((key) => begun.get(key)).find((known) => known !== undefined) ??
      { isDone: [], failed: new Map<number, string>() };
    for (const key of keys) begun.set(key, progress);
    const { isDone, failed } = progress;
    const marks = (index: number): MessageMarks => ({ id: ids?.[index], traceparent: traceparents?.[index] });
    let next = 0;
    let broken: { readonly error: unknown } | undefined;
    const work = async (): Promise<void> => {
      while (next < batch.length && broken === undefined) {
        const index = next++;
        if (isDone[index] === true) continue;
        try {
          const refusal = await this.#send(batch[index]!, marks(index), settings?.[index], signal);
          if (refusal !== undefined) failed.set(index, refusal);
          isDone[index] = true;
        } catch (error) {
          broken ??= { error };
        }
      }
    };
    const { parallelRequests } = this.#settings;
    if (parallelRequests === 1) await work();
    else await Promise.all(Array.from({ length: Math.min(parallelRequests, batch.length) }, work));
    if (broken !== undefined) throw (broken as { readonly error: unknown }).error;
    for (const key of keys) begun.delete(key);
    if (failed.size > 0) throw new ItemsFailed(failed);
  }

  /** Sends one message; gives the reason when the server refuses it for good. */
  async #send(
    payload: Payload,
    marks: MessageMarks,
    own: Partial<RequestSettings> | undefined,
    signal: AbortSignal,
  ): Promise<string | undefined> {
    const { retryStatus, debugResp } = this.#settings;
    for (let isSecond = false;; isSecond = true) {
      const token = await this.#tokens?.fields(signal);
      let plan: RequestPlan;
      let response: HttpResponse;
      try {
        plan = this.#planOf(own, token);
        const { method, target } = plan;
        response = await sendFollowing(this.#client, { method, target, ...withPayload(plan, payload, marks) }, signal);
      } catch (error) {
        if (error instanceof BadRequest) return error.message;
        throw error;
      }
      const { status } = response;
      if (debugResp) this.#tell(plan, response);
      if (status === 401 && token !== undefined && !isSecond) {
        this.#tokens!.discard(token);
        continue;
      }
      if (retryStatus.includes(status)) {
        const { clock } = this.#context;
        const asked = requestText(plan.method, plan.target);
        throw new RetryLater(`${asked}: response code error: ${status}`, retryAfter(response, clock) ?? retryMs);
      }
      return await this.#refusalOf(plan, response);
    }
  }

  #planOf(own: Partial<RequestSettings> | undefined, token: Struct | undefined): RequestPlan {
    if (own !== undefined && Object.keys(own).length > 0) return this.#planner.plan(own, token);
    if (this.#plan === undefined || this.#plan.token !== token) {
      this.#plan = { plan: this.#planner.plan(undefined, token), token };
    }
    return this.#plan.plan;
  }

  async #refusalOf({ method, target }: RequestPlan, response: HttpResponse): Promise<string | undefined> {
    const { responseType } = this.#settings;
    if (responseType === "code" && response.status >= 200 && response.status <= 299) return undefined;
    let body: Uint8Array;
    try {
      body = await bodyOf(response, answerBytesMax);
    } catch {
      // The server has answered, whatever it wrote: asking again would not make it better.
      body = new Uint8Array();
    }
    const refusal = refusalOf(response, body, responseType);
    if (refusal === undefined) return undefined;
    const said = excerpt(body);
    return `${requestText(method, target)}: ${refusal}${said === "" ? "" : `: ${said}`}`;
  }

  #tell({ method, target }: RequestPlan, { status, body }: HttpResponse): void {
    this.#context.log.info("The answer to a request", {
      request: requestText(method, target),
      status,
      body: excerpt(body),
    });
  }

  async close(): Promise<void> {
    await this.#client.close();
  }
}
