/**
 * What `GET /` tells about the process and the machine.
 * @module
 */
import { totalmem } from "node:os";
import process from "node:process";
import type { SystemInfo } from "../admin/system.ts";
import type { Platform } from "../platform/platform.ts";
import { version } from "../platform/version.ts";

/** `reportedVersion` is what tools see that decide by the version of eKuiper. Processor use is measured between calls. */
export function systemInfo(reportedVersion: string, platform: Platform): () => SystemInfo {
  let before = { cpu: process.cpuUsage(), at: performance.now() };
  return () => {
    const now = { cpu: process.cpuUsage(), at: performance.now() };
    const usedUs = now.cpu.user + now.cpu.system - before.cpu.user - before.cpu.system;
    const cpuPercent = now.at > before.at ? usedUs / 10 / (now.at - before.at) : 0;
    before = now;
    const [os = "", arch = ""] = platform.target.split("-");
    return {
      version: reportedVersion,
      weirVersion: version,
      os,
      arch,
      upTimeSeconds: process.uptime(),
      cpuPercent,
      memoryUsedBytes: platform.memory().residentBytes,
      memoryTotalBytes: totalmem(),
    };
  };
}
