/**
 * Starts an agent and kills it, again and again, at moments drawn from a seed: at work, while it starts, and while it
 * stops. The seed gives the moments; what the agent does at them is up to the machine.
 * @module
 */
import process from "node:process";
import { SeededRandom } from "../../src/value/seeded_random.ts";
import { Agent } from "../agent/agent.ts";

const longestWorkMs = 900;
const longestStopMs = 150;
const longestPauseMs = 200;

export type Round =
  /** Killed so long after it was ready. */
  | { readonly kind: "working"; readonly ms: number }
  /** Killed so far into its start, as a part of the time that starts have taken. */
  | { readonly kind: "starting"; readonly part: number }
  /** Told to stop so long after it was ready, and killed so long after that. */
  | { readonly kind: "stopping"; readonly ms: number; readonly thenMs: number };

export function drawRounds(seed: number, count: number): Round[] {
  const random = new SeededRandom(seed);
  return Array.from({ length: count }, (): Round => {
    const ms = random.below(longestWorkMs);
    switch (random.below(6)) {
      case 0:
        // Beyond the end of the start, too: the first moments behind it belong to it.
        return { kind: "starting", part: random.below(1300) / 1000 };
      case 1:
        return { kind: "stopping", ms, thenMs: random.below(longestStopMs) };
      default:
        return { kind: "working", ms };
    }
  });
}

export interface KillRoundsOptions {
  readonly dataDir: string;
  readonly seed: number;
  readonly count: number;
  /** Called before each round. */
  readonly onRound?: (round: Round, index: number) => void;
}

/** Goes through the rounds. Fails when an agent does not start, or ends without having been told. */
export async function killRounds({ dataDir, seed, count, onRound }: KillRoundsOptions): Promise<void> {
  const pauses = new SeededRandom(seed + 1);
  let startMs = 500;
  for (const [index, round] of drawRounds(seed, count).entries()) {
    onRound?.(round, index);
    if (round.kind === "starting") {
      await Agent.startAndKill(round.part * startMs, dataDir);
    } else {
      const asked = performance.now();
      const agent = await Agent.start({ dataDir });
      startMs = performance.now() - asked;
      await sleep(round.ms);
      if (agent.exited) throw new Error(`Round ${index}: the agent has ended:\n${agent.output().stderr.slice(-3000)}`);
      if (round.kind === "stopping") {
        process.kill(agent.pid, "SIGTERM");
        await sleep(round.thenMs);
      }
      await agent.end("SIGKILL");
    }
    await sleep(pauses.below(longestPauseMs));
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
