/**
 * What transactions have taken back, left out.
 *
 * The client leaves out some of it, but not when a producer has taken back several transactions, nor when the end of one
 * comes with a later answer.
 * @module
 */

/** Records as the broker keeps them together: all of one producer, and of one transaction. */
export interface RecordBatch {
  readonly firstOffset: bigint;
  readonly attributes: number;
  readonly producerId: bigint;
}

/** A transaction that was taken back. */
export interface AbortedTransaction {
  readonly producerId: bigint;
  /** Of its first message. */
  readonly firstOffset: bigint;
}

/** Bits of the attributes of a batch. */
const isTransactional = 0x10;
const isControl = 0x20;

/**
 * The batches that hold messages which count, of those that one answer brought for a partition. Control batches, which mark
 * the ends of transactions, hold none.
 */
export function committedBatches<Batch extends RecordBatch>(
  batches: readonly Batch[],
  aborted: readonly AbortedTransaction[],
): Batch[] {
  const coming = [...aborted].sort((a, b) =>
    a.firstOffset < b.firstOffset ? -1 : a.firstOffset > b.firstOffset ? 1 : 0
  );
  /** Producers in the middle of a transaction that they will take back. */
  const inside = new Set<bigint>();
  return batches.filter(({ firstOffset, attributes, producerId }) => {
    while (coming.length > 0 && coming[0]!.firstOffset <= firstOffset) inside.add(coming.shift()!.producerId);
    if ((attributes & isControl) !== 0) {
      inside.delete(producerId);
      return false;
    }
    return (attributes & isTransactional) === 0 || !inside.has(producerId);
  });
}
