/**
 * The limit on request bodies for an engine whose HTTP server has none of its own.
 * @module
 */
import type { Peer, RequestHandler } from "./platform.ts";

/** A body that does not come to its end: it is too large, or its client has gone. Known by its name where it is answered. */
export class RequestBodyError extends RangeError {
  override readonly name = "RequestBodyError";

  constructor(why: string) {
    super(`Cannot read request body: ${why}`);
  }
}

/**
 * Wraps `handler` so that a request with more than `maxBodyBytes` gets 413. A declared length is refused before the
 * handler runs. A chunked body is counted while it is read: reading fails at the limit, and whatever the handler makes
 * of that failure is replaced by the 413.
 */
export function limitBody(
  handler: RequestHandler,
  maxBodyBytes: number,
): (request: Request, peer: Peer) => Promise<Response> {
  return async (request: Request, peer: Peer): Promise<Response> => {
    const declared = request.headers.get("content-length");
    if (declared !== null) {
      // The engine delivers no more than the declared length, so a small declaration needs no counting.
      return Number(declared) > maxBodyBytes ? tooLarge() : handler(request, peer);
    }
    if (request.body === null) return handler(request, peer);

    let length = 0;
    let exceeded = false;
    const counted = request.body.pipeThrough(
      new TransformStream<Uint8Array, Uint8Array>({
        transform(chunk, controller) {
          length += chunk.byteLength;
          if (length > maxBodyBytes) {
            exceeded = true;
            controller.error(new RequestBodyError(`more than ${maxBodyBytes} bytes`));
          } else {
            controller.enqueue(chunk);
          }
        },
      }),
    );
    try {
      const response = await handler(new Request(request, { body: counted }), peer);
      return exceeded ? tooLarge() : response;
    } catch (error) {
      if (exceeded) return tooLarge();
      throw error;
    }
  };
}

function tooLarge(): Response {
  return new Response(null, { status: 413 });
}
