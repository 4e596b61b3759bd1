/**
 * The signals by which a service manager or a terminal asks weir to stop.
 * @module
 */
import process from "node:process";

export function onTerminate(handler: (signal: "SIGTERM" | "SIGINT") => void): () => void {
  const terminate = () => handler("SIGTERM");
  const interrupt = () => handler("SIGINT");
  process.on("SIGTERM", terminate);
  process.on("SIGINT", interrupt);
  return () => {
    process.off("SIGTERM", terminate);
    process.off("SIGINT", interrupt);
  };
}
