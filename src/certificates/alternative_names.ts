/**
 * The alternative names of a certificate, read from its bytes: the text that engines make of them cannot be taken apart
 * again everywhere, since a URI may hold what separates them.
 *
 * Source: RFC 5280, section 4.2.1.6; X.690 for the encoding.
 * @module
 */

interface Element {
  readonly tag: number;
  readonly content: Uint8Array;
}

/** `id-ce-subjectAltName`, 2.5.29.17. */
const wanted = [0x55, 0x1d, 0x11];

const objectId = 0x06;
const octets = 0x04;
/** `extensions` in the part of a certificate that is signed. */
const extensionsTag = 0xa3;
/** E-mail address, name of a host, URI: texts of ASCII. */
const textTags: readonly number[] = [0x81, 0x82, 0x86];
const addressTag = 0x87;

/** Names of hosts, e-mail addresses, URIs and addresses, in their order; none for bytes that are no certificate. */
export function alternativeNames(certificate: Uint8Array): string[] {
  const signed = elementsOf(elementsOf(certificate)[0]?.content)[0];
  const extensions = elementsOf(signed?.content).find(({ tag }) => tag === extensionsTag);
  for (const { content } of elementsOf(elementsOf(extensions?.content)[0]?.content)) {
    const parts = elementsOf(content);
    if (parts[0]?.tag !== objectId || !isEqual(parts[0].content, wanted)) continue;
    const value = parts.find(({ tag }) => tag === octets);
    return elementsOf(elementsOf(value?.content)[0]?.content).flatMap(nameOf);
  }
  return [];
}

function nameOf({ tag, content }: Element): string[] {
  if (tag === addressTag) return addressOf(content);
  if (!textTags.includes(tag) || content.some((byte) => byte < 0x20 || byte > 0x7e)) return [];
  return [String.fromCharCode(...content)];
}

/** In the usual spelling. */
function addressOf(bytes: Uint8Array): string[] {
  if (bytes.length === 4) return [bytes.join(".")];
  if (bytes.length !== 16) return [];
  const groups = Array.from({ length: 8 }, (_, i) => (bytes[2 * i]! << 8 | bytes[2 * i + 1]!).toString(16));
  return [new URL(`http://[${groups.join(":")}]`).hostname.slice(1, -1)];
}

/** What stands one after the other; as far as it can be read. */
function elementsOf(bytes: Uint8Array = new Uint8Array()): Element[] {
  const found: Element[] = [];
  for (let at = 0; at + 2 <= bytes.length;) {
    const tag = bytes[at]!;
    let length = bytes[at + 1]!;
    at += 2;
    if (length >= 0x80) {
      const count = length & 0x7f;
      if (count === 0 || count > 3) break;
      length = 0;
      for (let i = 0; i < count; i++) length = length << 8 | (bytes[at++] ?? 0);
    }
    if (at + length > bytes.length) break;
    found.push({ tag, content: bytes.subarray(at, at + length) });
    at += length;
  }
  return found;
}

function isEqual(bytes: Uint8Array, expected: readonly number[]): boolean {
  return bytes.length === expected.length && expected.every((byte, i) => bytes[i] === byte);
}
