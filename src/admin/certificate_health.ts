/**
 * The part of the health that is about the certificates of the agent's own servers.
 * @module
 */
import { type CertificateReport, expiresSoonMs } from "../certificates/keeper.ts";
import type { HealthCheck } from "./health.ts";

/** @param now Unix milliseconds */
export function certificateHealth(
  reports: () => readonly CertificateReport[],
  now: () => number = Date.now,
): HealthCheck {
  return function* () {
    for (const { server, expiresMs, stale } of reports()) {
      const about = { area: "certificate", subject: server };
      const hint = "renew it: new files are taken without a restart";
      const day = new Date(expiresMs).toISOString().slice(0, 10);
      const whose = `The certificate of the ${server} server`;
      if (stale !== undefined) {
        const message = `${whose} is an old one: the new files were refused: ${stale}`;
        yield { ...about, severity: "problem", message, hint: "put files there that fit each other" };
      }
      if (expiresMs <= now()) yield { ...about, severity: "problem", message: `${whose} has expired on ${day}`, hint };
      else if (expiresMs - now() < expiresSoonMs) {
        yield { ...about, severity: "warning", message: `${whose} expires on ${day}`, hint };
      }
    }
  };
}
