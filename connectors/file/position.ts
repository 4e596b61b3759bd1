/**
 * Where a source stands in a file, as the text that the engine keeps.
 * @module
 */
import * as v from "valibot";

const whole = v.pipe(v.number(), v.integer(), v.minValue(0));

const schema = v.strictObject({
  path: v.string(),
  /** How the file was read: its type and compression. Places of one kind mean nothing in another. */
  kind: v.string(),
  /**
   * With it a file that took the place of another is noticed, also one that begins like it. The number of the device is
   * not kept: those of containers and network disks change with every mount.
   */
  ino: v.number(),
  /** Bytes of the content, unpacked where it is compressed, that all rows so far come from. */
  offset: whole,
  /** The last row came from a line without an end. It began behind this byte, and is read again if it goes on. */
  torn: v.optional(whole),
  /** The {@linkcode Fingerprint} of the bytes before `offset`. */
  fingerprint: v.string(),
  /** Set when the whole file was read: when that was, Unix milliseconds, and the file as it was found when it began. */
  done: v.optional(v.strictObject({ atMs: v.number(), size: whole, mtimeMs: v.number() })),
});

export type FilePosition = Readonly<v.InferOutput<typeof schema>>;

export function printPosition(position: FilePosition): string {
  return JSON.stringify(position);
}

/** Undefined for a text that is no position. */
export function parsePosition(text: string): FilePosition | undefined {
  try {
    return v.parse(schema, JSON.parse(text));
  } catch {
    return undefined;
  }
}
