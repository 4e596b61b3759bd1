import assert from "node:assert/strict";
import { test } from "node:test";
import { addressGuard } from "./private_network.ts";

const refuse = { privateAddresses: "refuse", allow: [] } as const;

test("addressGuard() is nothing when private addresses are allowed", () => {
  assert.equal(addressGuard(undefined), undefined);
  assert.equal(addressGuard({ privateAddresses: "allow", allow: [] }), undefined);
});

test("addressGuard() refuses what is not on the public internet, in every notation", () => {
  const guard = addressGuard(refuse)!;
  const inside = [
    ...["127.0.0.1", "127.255.255.254", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254"],
    ...[
      "0.0.0.0",
      "100.64.0.1",
      "224.0.0.1",
      "255.255.255.255",
      "::1",
      "::",
      "fe80::1%eth0",
      "fc00::1",
      "fd12:3456::1",
    ],
    ...["ff02::1", "::ffff:127.0.0.1", "::ffff:7f00:1", "64:ff9b::10.0.0.1", "::ffff:c0a8:101", "no address"],
  ];
  for (const address of inside) {
    assert.match(guard(address, address) ?? "", /private network: "network\.private/, address);
  }
  const outside = ["8.8.8.8", "172.15.255.255", "172.32.0.1", "100.63.0.1", "192.167.0.1", "11.0.0.1", "126.1.1.1"];
  const outside6 = ["2001:4860:4860::8888", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "1::"];
  for (const address of [...outside, ...outside6]) assert.equal(guard("example.org", address), undefined, address);
});

test("addressGuard() makes exceptions for hosts, addresses and networks", () => {
  const guard = addressGuard({ ...refuse, allow: ["light.local", "192.168.7.9", "10.1.0.0/16", "fd00:1::/32"] })!;
  assert.equal(guard("Light.Local", "192.168.1.1"), undefined);
  assert.equal(guard("other", "192.168.7.9"), undefined);
  assert.equal(guard("other", "10.1.255.1"), undefined);
  assert.equal(guard("other", "fd00:1:2::3"), undefined);
  for (const address of ["192.168.7.10", "10.2.0.1", "fd00:2::1"]) {
    assert.match(guard("other", address) ?? "", new RegExp(`^other \\(${address}\\) is`));
  }
});
