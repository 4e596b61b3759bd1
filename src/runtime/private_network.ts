/**
 * Which addresses connectors of HTTP may connect to. What comes from data must not lead into the network behind the
 * agent where that matters: a URL made of a row is as good as the one who sends the rows.
 * @module
 */
import { isIP } from "node:net";

export interface NetworkRules {
  /** Those of the machine itself, of private networks and of multicast. */
  readonly privateAddresses: "allow" | "refuse";
  /** Exceptions from `refuse`: names of hosts, addresses, and networks such as `10.1.0.0/16`. */
  readonly allow: readonly string[];
}

/** What is not on the public internet: IANA's special-purpose registries, and multicast. */
const privateNetworks = [
  ...["0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24"],
  ...["192.168.0.0/16", "198.18.0.0/15", "224.0.0.0/4", "240.0.0.0/4"],
  ...["::/127", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8"],
].map((text) => parseNetwork(text)!);

interface Network {
  readonly address: readonly number[];
  readonly bits: number;
}

/** The function of `ConnectorContext.refusesAddress`; undefined when nothing is refused. */
export function addressGuard(
  rules: NetworkRules | undefined,
): ((host: string, address: string) => string | undefined) | undefined {
  if (rules === undefined || rules.privateAddresses === "allow") return undefined;
  const networks = rules.allow.map(parseNetwork).filter((network) => network !== undefined);
  const hosts = new Set(rules.allow.map((text) => text.toLowerCase()));
  return (host, address) => {
    if (hosts.has(host.toLowerCase())) return undefined;
    const bytes = parseAddress(address);
    const isPrivate = bytes === undefined || privateNetworks.some((network) => contains(network, bytes));
    if (!isPrivate || networks.some((network) => contains(network, bytes!))) return undefined;
    const whose = host === address ? host : `${host} (${address})`;
    return `${whose} is in a private network: "network.privateAddresses" of the configuration refuses it, and ` +
      `"network.allow" can make an exception`;
  };
}

function parseNetwork(text: string): Network | undefined {
  const [part, length, ...others] = text.split("/");
  const address = parseAddress(part!);
  if (address === undefined || others.length > 0) return undefined;
  if (length === undefined) return { address, bits: address.length * 8 };
  const bits = /^\d{1,3}$/.test(length) ? Number(length) : Infinity;
  return bits <= address.length * 8 ? { address, bits } : undefined;
}

function contains({ address, bits }: Network, candidate: readonly number[]): boolean {
  if (address.length !== candidate.length) return false;
  return address.every((byte, i) => {
    const significant = Math.min(8, Math.max(0, bits - i * 8));
    const mask = 0xff << (8 - significant) & 0xff;
    return (byte & mask) === (candidate[i]! & mask);
  });
}

/** The bytes of an address, 4 or 16; those of IPv4 also for an address that only wraps one. */
function parseAddress(text: string): number[] | undefined {
  const [address] = text.split("%") as [string];
  const version = isIP(address);
  if (version === 4) return address.split(".").map(Number);
  if (version !== 6) return undefined;
  const dotted = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(address);
  const hex = (high: string, low: string) => (Number(high) * 256 + Number(low)).toString(16);
  const plain = dotted === null ? address : `${dotted[1]}${hex(dotted[2]!, dotted[3]!)}:${hex(dotted[4]!, dotted[5]!)}`;
  const [head, tail] = plain.split("::") as [string, string | undefined];
  const groups = (part: string | undefined) => part === undefined || part === "" ? [] : part.split(":");
  const [before, after] = [groups(head), groups(tail)];
  const all = [...before, ...new Array<string>(8 - before.length - after.length).fill("0"), ...after];
  const bytes = all.flatMap((group) => [parseInt(group, 16) >> 8, parseInt(group, 16) & 0xff]);
  const starts = (...prefix: number[]) => prefix.every((byte, i) => bytes[i] === byte);
  const zeros = new Array<number>(10).fill(0);
  // ::ffff:a.b.c.d is mapped, 64:ff9b::a.b.c.d is translated.
  if (starts(...zeros, 0xff, 0xff) || starts(0, 0x64, 0xff, 0x9b, ...zeros.slice(0, 8))) return bytes.slice(12);
  return bytes;
}
