/**
 * The connector `modbus`: reads and writes the registers and coils of devices.
 * @module
 */
import * as v from "valibot";
import { defineConnector } from "../../src/connector/declare.ts";
import { choice, duration, integer, list, refuseSetting, text } from "../../src/connector/settings.ts";
import { connectionSettings, identityOf, LazyLine, serverOf } from "./connection.ts";
import { protocolBitsMax, protocolRegistersMax, type ReadLimits } from "./read_plan.ts";
import { tagTable } from "./tag_docs.ts";
import { resolveTags, type Tag, tagList } from "./tag.ts";
import { isWritable } from "./tag_value.ts";

const orders = ["big", "little"] as const;

/** What tags that do not say it themselves are like, in both roles. */
const commonEntries = {
  unitId: integer({
    description: "Unit of tags that name none.",
    default: 1,
    min: 0,
    max: 255,
    aliases: ["slaveID"],
  }),
  addressBase: choice([0, 1], {
    description: "The number that the documentation of the device gives to the first register of each kind.",
    default: 0,
  }),
  byteOrder: choice(orders, { description: "Which byte of a register comes first.", default: "big" }),
  wordOrder: choice(orders, { description: "Which register of a value comes first.", default: "big" }),
};

/** What a device can give with one request. */
const limitEntries = {
  maxRegisters: integer({
    description: "Most registers that the device gives at once.",
    default: protocolRegistersMax,
    min: 1,
    max: protocolRegistersMax,
  }),
  maxBits: integer({
    description: "Most coils or discrete inputs that the device gives at once.",
    default: protocolBitsMax,
    min: 1,
    max: protocolBitsMax,
  }),
  maxGap: integer({
    description: "Most registers in a row that no tag wants and that may be read along, to save requests.",
    default: 0,
    min: 0,
    max: protocolBitsMax,
  }),
};

const unitList = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(255));

/** Settings of the source. */
export const sourceSettings = v.strictObject({
  tags: tagList({ description: "What to read: the columns of the rows." }),
  ...commonEntries,
  units: list(unitList, { description: "Units that all have the tags: each gives rows of its own.", default: [] }),
  unitColumn: text({ description: "Column that gets the id of the unit.", optional: true }),
  qualityColumn: text({
    description: "Column that gets, for each tag that could not be read, the reason. The tag itself is null then.",
    default: "__quality",
  }),
  interval: duration({ description: "How often tags are read that do not say it.", default: 1000, min: 1 }),
  report: choice(["cycle", "change"], {
    description: "`cycle`: a row each time; `change`: a row when a tag has changed by more than its deadband.",
    default: "cycle",
  }),
  ...limitEntries,
});

/** Settings of the lookup. */
export const lookupSettings = v.strictObject({
  tags: tagList({ description: "What can be asked for." }),
  ...commonEntries,
  units: list(unitList, { description: "Units that all have the tags.", default: [] }),
  unitColumn: text({
    description: "Column with the id of the unit. With it the table has a row for each unit, whose columns are the " +
      "tags; without it a row for each tag.",
    optional: true,
  }),
  qualityColumn: text({
    description: "Of rows of units: column that gets the reasons of tags that are null.",
    default: "__quality",
  }),
  ...limitEntries,
});

/** Settings of the sink. */
export const sinkSettings = v.strictObject({
  tags: tagList({
    description: "What to write: the columns of the rows. Columns that a row does not have stay as they are.",
  }),
  ...commonEntries,
  unitColumn: text({ description: "Column that says which unit a row is for.", optional: true }),
  verify: choice(["no", "read back"], {
    description: "`read back` reads what was written, and fails the row when it is something else.",
    default: "no",
  }),
  functions: choice(["single and multiple", "multiple"], {
    description: "`multiple` writes also a single coil or register with function 15 or 16.",
    default: "single and multiple",
  }),
  rowInterval: duration({ description: "Least time between two rows.", default: 0 }),
});

type SourceSettings = v.InferOutput<typeof sourceSettings>;
type LookupSettings = v.InferOutput<typeof lookupSettings>;
type SinkSettings = v.InferOutput<typeof sinkSettings>;

function sourceTags(settings: SourceSettings): Tag[] {
  checkUnits(settings);
  checkColumns(settings);
  const addressBase = settings.addressBase as 0 | 1;
  return resolveTags(settings.tags, { ...settings, addressBase, intervalMs: settings.interval });
}

/** The tags of a lookup: each of every unit, or those of one unit for all. */
function lookupTags(settings: LookupSettings): Tag[] {
  checkUnits(settings);
  const { unitColumn, units } = settings;
  if (unitColumn !== undefined) {
    checkColumns(settings);
    settings.tags.forEach(({ unitId, slaveID }, index) => {
      if ((unitId ?? slaveID) !== undefined) {
        refuseSetting(`tags.${index}.unitId`, 'A tag cannot name a unit beside "unitColumn"');
      }
    });
  }
  const addressBase = settings.addressBase as 0 | 1;
  // Nobody is told of a change, and nothing is read before somebody asks.
  const own = settings.tags.map((tag) => ({ ...tag, deadband: undefined }));
  const tags = resolveTags(own, { ...settings, addressBase, report: "cycle", intervalMs: 0 });
  if (unitColumn !== undefined || units.length === 0) return tags;
  return units.flatMap((unitId) => tags.map((tag) => ({ ...tag, unitId })));
}

function checkUnits({ tags, units }: Pick<SourceSettings, "tags" | "units">): void {
  tags.forEach(({ unitId, slaveID }, index) => {
    if (units.length > 0 && (unitId ?? slaveID) !== undefined) {
      refuseSetting(`tags.${index}.unitId`, 'A tag cannot name a unit beside "units"');
    }
  });
  if (units.length > 0 && new Set(units).size < units.length) refuseSetting("units", "A unit is named twice");
}

function checkColumns({ tags, unitColumn, qualityColumn }: Omit<LookupSettings, "units">): void {
  const taken = tags.findIndex(({ name }) => [unitColumn, qualityColumn].includes(name));
  if (taken !== -1) {
    refuseSetting(
      `tags.${taken}.name`,
      `The column "${tags[taken]!.name}" is that of the unit or the qualities`,
    );
  }
}

function limitsOf(settings: Pick<SourceSettings, "maxRegisters" | "maxBits" | "maxGap">): ReadLimits {
  return { registersMax: settings.maxRegisters, bitsMax: settings.maxBits, gapMax: settings.maxGap };
}

function sinkTags(settings: SinkSettings): Tag[] {
  const addressBase = settings.addressBase as 0 | 1;
  const tags = resolveTags(settings.tags, { ...settings, addressBase, report: "change", intervalMs: 0 });
  tags.forEach((tag, index) => {
    if (!isWritable(tag)) {
      refuseSetting(`tags.${index}.register`, `Tag "${tag.name}" cannot be written: wanted register coil or holding`);
    }
  });
  return tags;
}

const prose =
  "Modbus TCP, RTU frames over TCP, and RTU on serial lines, which need the program `stty` of the system. " +
  "[Operations](../../operations.md#modbus-devices) tells how to find out what a device has, with `weir modbus`, and what " +
  "serial lines need.\n\n" +
  "All streams, tables and actions with the same connection settings share one line, and so do those that select the " +
  "same named connection; on it there is one request at a time, and writes go before reads. Neighbouring registers are " +
  "read with one request. A unit that does not answer costs the others one time-out and is then left alone, each time " +
  "twice as long. Two masters disturb each other on a serial line, so use a named connection for all its users.\n\n" +
  "A tag that cannot be read is null, and the row says why; the rest of the row is good. Its unit text stands in the " +
  "metadata of the row.\n\n" +
  "Tags may also be written as KubeEdge's visitors: `register: HoldingRegister`, `offset` (the address, from 0), " +
  "`limit` (the number of registers), `scale`, `isSwap`, `isRegisterSwap`; the connection as `ip` and `port`, or as " +
  "`serialPort`; the unit as `slaveID`.\n\n" +
  "On RTU, answers have no number: one that comes later than the time-out and the rest of its unit together may be " +
  "taken for the answer to a like request. Choose a `timeout` that the slowest device keeps. Unit 0 of an RTU line is " +
  "all its units: writes to it are not answered and not read back, and reads are refused.";

export const modbus = defineConnector({
  name: "modbus",
  status: "stable",
  summary: "Reads and writes the registers and coils of Modbus devices.",
  // The table is made for those who print it, not whenever an agent starts.
  get description() {
    return `${prose}\n\n${tagTable()}`;
  },
  connection: {
    summary: "One line: a socket, or a serial port.",
    settings: connectionSettings,
    identity: identityOf,
    check: (settings) => void serverOf(settings),
    open: (settings, context) => new LazyLine(settings, context),
  },
  source: {
    summary: "Reads tags at intervals; each cycle gives a row.",
    delivery: "at-most-once",
    emits: "rows",
    // The unit of the row, and the unit texts of its tags by their names.
    meta: ["unitId", "units"],
    settings: sourceSettings,
    check: (settings) => void sourceTags(settings),
    open: async (settings, { connection, clock, log }) => {
      const tags = sourceTags(settings);
      const { ModbusSource } = await import("./source.ts");
      return new ModbusSource({
        line: await connection.open(),
        rows: settings.units.length === 0
          ? [{ unitId: settings.unitId, tags }]
          : settings.units.map((unitId) => ({ unitId, tags: tags.map((tag) => ({ ...tag, unitId })) })),
        limits: limitsOf(settings),
        unitColumn: settings.unitColumn,
        qualityColumn: settings.qualityColumn,
        clock,
        log,
      });
    },
  },
  lookup: {
    summary:
      "Reads from the devices when a row asks, and only the tags that the rule uses. Without `unitColumn` the table " +
      "has a row for each tag: `name`, `value`, `unit`, `unitId`, and `quality`, which is `good` or the reason why " +
      "`value` is null. Units that do not answer fail the row that asks.",
    opens: "with rule",
    settings: lookupSettings,
    check: (settings) => void lookupTags(settings),
    open: async (settings, { connection, log }) => {
      const tags = lookupTags(settings);
      const { TagLookup, UnitLookup } = await import("./lookup.ts");
      const { unitColumn, qualityColumn, units } = settings;
      const options = { line: await connection.open(), tags, limits: limitsOf(settings), log };
      return unitColumn === undefined
        ? new TagLookup(options)
        : new UnitLookup({ ...options, unitColumn, qualityColumn, units });
    },
  },
  sink: {
    summary: "Writes the columns of each row.",
    delivery: "at-least-once",
    accepts: "rows",
    settings: sinkSettings,
    check: (settings) => void sinkTags(settings),
    open: async (settings, { connection, clock }) => {
      const tags = sinkTags(settings);
      const { ModbusSink } = await import("./sink.ts");
      return new ModbusSink({
        line: await connection.open(),
        tags,
        unitColumn: settings.unitColumn,
        verify: settings.verify,
        functions: settings.functions,
        rowIntervalMs: settings.rowInterval,
        clock,
      });
    },
  },
  examples: [
    { title: "A gateway", role: "connection", settings: { server: "tcp://192.168.1.20:502", timeout: "500ms" } },
    {
      title: "A serial line",
      role: "connection",
      settings: { server: "/dev/ttyUSB0", baudRate: 19_200, parity: "even" },
    },
    {
      title: "Two inverters with the same registers",
      role: "source",
      settings: {
        units: [1, 2],
        unitColumn: "device_id",
        tags: [
          { name: "voltage", register: "input", address: 30, type: "uint16", scale: 0.1, unit: "V" },
          { name: "current", register: "input", address: 32, type: "float32", wordOrder: "little", unit: "A" },
        ],
      },
    },
    {
      title: "Nameplates that are read when a rule asks for them, and then kept",
      role: "lookup",
      settings: {
        unitColumn: "device_id",
        tags: [
          { name: "serial", register: "holding", address: 100, type: "string", length: 16 },
          { name: "nominal", register: "holding", address: 108, type: "uint16", scale: 0.1, unit: "kW" },
        ],
      },
    },
    {
      title: "A setpoint in its range, and a switch",
      role: "sink",
      settings: {
        verify: "read back",
        tags: [
          { name: "setpoint", register: "holding", address: 7, type: "int16", scale: 0.1, min: 5, max: 80 },
          { name: "pump", register: "coil", address: 3 },
        ],
      },
    },
  ],
});
