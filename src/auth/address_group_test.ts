import assert from "node:assert/strict";
import { test } from "node:test";
import { addressGroup } from "./address_group.ts";

const cases: readonly (readonly [address: string, group: string])[] = [
  ["192.0.2.7", "192.0.2.7"],
  ["::ffff:192.0.2.7", "192.0.2.7"],
  ["::ffff:c000:207", "192.0.2.7"],
  ["::1", "::1"],
  ["2001:db8:0:1::1", "2001:db8:0:1::/64"],
  ["2001:db8:0:1:ffff:ffff:ffff:ffff", "2001:db8:0:1::/64"],
  ["2001:0DB8:0000:0001::9", "2001:db8:0:1::/64"],
  ["2001:db8:0:2::1", "2001:db8:0:2::/64"],
  ["fe80::1%eth0", "fe80:0:0:0::/64"],
  ["", ""],
  ["nonsense", "nonsense"],
];

for (const [address, group] of cases) {
  test(`addressGroup() of "${address}" is "${group}"`, () => assert.equal(addressGroup(address), group));
}
