/**
 * Disks that are full or cannot be written, for tests: real file systems, made and mounted by the test.
 *
 * Mounting needs rights that a test does not have everywhere; `mountTrouble` says what is in the way.
 * @module
 */
import { execFileSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, rmSync, unlinkSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export type DiskKind =
  /** In memory, of a fixed size. */
  | "tmpfs"
  /** An ext4 in a file, that can be made read-only while files of it are open for writing, as after an error of a disk. */
  | "ext4";

export class SmallDisk {
  /** Where it is mounted. */
  readonly path: string;
  readonly #folder: string;
  readonly #kind: DiskKind;
  readonly #bytes: number;
  readonly #balloon: string;
  #mounted = false;

  private constructor(kind: DiskKind, bytes: number) {
    this.#folder = mkdtempSync(join(tmpdir(), "weir-disk-"));
    this.path = join(this.#folder, "mount");
    this.#kind = kind;
    this.#bytes = bytes;
    this.#balloon = join(this.path, "balloon");
  }

  /** @throws when the file system cannot be made or mounted */
  static make(kind: DiskKind, bytes: number): SmallDisk {
    const disk = new SmallDisk(kind, bytes);
    try {
      run("mkdir", disk.path);
      if (kind === "ext4") {
        run("truncate", "-s", String(bytes), disk.#image);
        run("mkfs.ext4", "-q", disk.#image);
      }
      disk.mount();
      return disk;
    } catch (error) {
      disk.remove();
      throw error;
    }
  }

  get #image(): string {
    return join(this.#folder, "image");
  }

  mount(): void {
    if (this.#kind === "tmpfs") run("mount", "-t", "tmpfs", "-o", `size=${this.#bytes}`, "tmpfs", this.path);
    else run("mount", "-o", "loop,errors=remount-ro", this.#image, this.path);
    this.#mounted = true;
  }

  /** Nobody may use it any more. */
  unmount(): void {
    run("umount", this.path);
    this.#mounted = false;
  }

  /** Leaves no room on it. */
  fill(): void {
    const file = openSync(this.#balloon, "a");
    try {
      // The last bytes of the room are found by halves.
      for (let size = 1 << 20; size >= 512;) {
        try {
          if (writeSync(file, new Uint8Array(size)) < size) size /= 2;
        } catch (error) {
          if ((error as { code?: string }).code !== "ENOSPC") throw error;
          size /= 2;
        }
      }
    } finally {
      closeSync(file);
    }
  }

  /** Gives the room back. */
  empty(): void {
    unlinkSync(this.#balloon);
  }

  /**
   * An ext4: takes no writes from now on, not even into open files, as a kernel does after an error of the disk. What was
   * written before is on it.
   */
  fail(): void {
    run("sync", "-f", this.path);
    run("mount", "-o", "remount,abort", this.path);
  }

  /** Takes the disk away, whoever uses it. */
  remove(): void {
    if (this.#mounted) run("umount", "-l", this.path);
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

function run(program: string, ...args: string[]): void {
  execFileSync(program, args, { stdio: "pipe" });
}

/** Why such a disk cannot be had here; undefined when it can. */
export function mountTrouble(kind: DiskKind): string | undefined {
  try {
    SmallDisk.make(kind, 4 << 20).remove();
    return undefined;
  } catch (error) {
    return `cannot mount a ${kind}: ${(error as Error).message.split("\n").join(" ")}`;
  }
}
