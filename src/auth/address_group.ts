/**
 * Who counts as one: an address of IPv4, and all addresses of a /64 of IPv6, which is what one household or machine is
 * given. Counted by single addresses, somebody with a /64 would be 2^64 people.
 * @module
 */
import { isIPv4, isIPv6 } from "node:net";

/**
 * `192.0.2.7` for it and for `::ffff:192.0.2.7`, `2001:db8:0:1::/64` for each address in that network; other texts as
 * they are.
 */
export function addressGroup(address: string): string {
  if (isIPv4(address)) return address;
  const [plain = ""] = address.split("%");
  if (!isIPv6(plain)) return address;
  const groups = groupsOf(plain);
  if (groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff) {
    return [groups[6]!, groups[7]!].flatMap((group) => [group >> 8, group & 0xff]).join(".");
  }
  // Loopback is this machine, not a network.
  if (groups.slice(0, 7).every((group) => group === 0)) return plain;
  return `${groups.slice(0, 4).map((group) => group.toString(16)).join(":")}::/64`;
}

/** The eight groups of an address of IPv6. */
function groupsOf(address: string): number[] {
  const dotted = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(address);
  const hex = (high: string, low: string) => (Number(high) * 256 + Number(low)).toString(16);
  const text = dotted === null ? address : `${dotted[1]}${hex(dotted[2]!, dotted[3]!)}:${hex(dotted[4]!, dotted[5]!)}`;
  const [head = "", tail] = text.split("::");
  const read = (part: string) => part === "" ? [] : part.split(":").map((group) => parseInt(group, 16));
  if (tail === undefined) return read(head);
  const [before, after] = [read(head), read(tail)];
  return [...before, ...new Array<number>(8 - before.length - after.length).fill(0), ...after];
}
