/**
 * The checksum of Modbus RTU frames.
 * @module
 */

const table = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 1 ? crc >> 1 ^ 0xa001 : crc >> 1;
  return crc;
});

/** The CRC-16 of `bytes[start, end)`; a frame has its low byte first. */
export function crc16(bytes: Uint8Array, start = 0, end = bytes.length): number {
  let crc = 0xffff;
  for (let i = start; i < end; i++) crc = crc >> 8 ^ table[(crc ^ bytes[i]!) & 0xff]!;
  return crc;
}
