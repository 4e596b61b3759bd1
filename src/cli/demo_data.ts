/**
 * The readings of the demo's simulated devices; always the same ones.
 * @module
 */

interface Reading {
  readonly deviceId: string;
  readonly temperature: number;
  readonly humidity: number;
}

interface Car {
  readonly direction: "north" | "south" | "east" | "west";
  readonly plate: string;
}

const stepCount = 40;

/** Three machines that warm up and cool down, each in its own rhythm; only some of it is above 30 °C. */
export function deviceData(): Reading[] {
  const machines = [
    { deviceId: "boiler-1", middle: 26, swing: 5, rhythm: 1 },
    { deviceId: "press-7", middle: 22, swing: 4, rhythm: 2 },
    { deviceId: "oven-3", middle: 28.5, swing: 6, rhythm: 0.5 },
  ];
  return Array.from({ length: stepCount }, (_, step) =>
    machines.map(({ deviceId, middle, swing, rhythm }) => {
      const wave = Math.sin((2 * Math.PI * rhythm * step) / stepCount);
      return {
        deviceId,
        temperature: Math.round((middle + swing * wave) * 10) / 10,
        humidity: Math.round(55 - 10 * wave),
      };
    })).flat();
}

/** A crossing with more traffic on one road than on the other. */
export function crossroadsData(): Car[] {
  const order = "nsnensnwsnsennswnsnensnnsewnsnsn";
  const names = { n: "north", s: "south", e: "east", w: "west" } as const;
  return [...order].map((letter, i) => ({
    direction: names[letter as keyof typeof names],
    plate: `W-${1000 + i * 37}`,
  }));
}
