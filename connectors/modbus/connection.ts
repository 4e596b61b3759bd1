/**
 * The connection of the `modbus` connector: its settings, and the line that they make.
 * @module
 */
import * as v from "valibot";
import type { ConnectorContext } from "../../src/connector/context.ts";
import { choice, duration, integer, refuseSetting, text } from "../../src/connector/settings.ts";
import type { Line, LineOptions } from "./line.ts";
import type { OpenPort } from "./port.ts";

const serverPattern = /^((tcp|rtu\+tcp):\/\/(\[[0-9a-fA-F:.]+\]|[^\s:/[\]]+)(:\d{1,5})?|\/\S+)$/;
const portDefault = 502;

/** Settings of the connection to devices. */
export const connectionSettings = v.strictObject({
  server: v.optional(v.pipe(
    text({
      description:
        "Where the devices are: `tcp://host:502` for Modbus TCP, `rtu+tcp://host:port` for RTU frames over " +
        "TCP, or the device file of a serial line, such as `/dev/ttyUSB0`. Required, unless `ip` or `serialPort` " +
        "says it.",
    }),
    v.regex(serverPattern, "tcp://host:port, rtu+tcp://host:port or a device file such as /dev/ttyUSB0"),
  )),
  ip: text({ description: "KubeEdge: host of Modbus TCP, instead of `server`.", optional: true }),
  port: integer({ description: "KubeEdge: port beside `ip`, 502 without.", optional: true, min: 1, max: 65_535 }),
  serialPort: text({
    description: "KubeEdge: device file of a serial line, instead of `server`.",
    optional: true,
  }),
  baudRate: integer({ description: "Serial line: bits per second.", default: 9600, min: 50, max: 4_000_000 }),
  dataBits: choice([7, 8], { description: "Serial line: bits of a character.", default: 8 }),
  parity: choice(["none", "even", "odd"], { description: "Serial line: parity of a character.", default: "none" }),
  stopBits: choice([1, 2], { description: "Serial line: stop bits of a character.", default: 1 }),
  timeout: duration({
    description: "How long a unit has to answer.",
    default: 1000,
    min: 10,
    aliases: ["timeoutMs"],
  }),
  connectTimeout: duration({ description: "Longest wait for a connection.", default: 5000, min: 10 }),
  pause: duration({ description: "Least time between an answer and the next request.", default: 0 }),
  broadcastPause: duration({
    description:
      "Time that devices get for a write to unit 0 on an RTU line, which goes to all and which none answers.",
    default: 100,
  }),
  delayAfterConnect: duration({ description: "Time between the connection and the first request.", default: 0 }),
  closeAfterUse: choice(["never", "always"], {
    description: "`always` closes the connection whenever no request waits, for devices that serve few masters.",
    default: "never",
  }),
  longestRest: duration({
    description: "A unit that does not answer is left alone, each time twice as long, up to this time.",
    default: 30_000,
  }),
});

export type ConnectionSettings = v.InferOutput<typeof connectionSettings>;

/**
 * Where the devices are, as `server` has it, whichever setting says it.
 *
 * @throws {DiagnosticError} E403, E404 when not exactly one does
 */
export function serverOf({ server, ip, port, serialPort }: ConnectionSettings): string {
  if (port !== undefined && ip === undefined) refuseSetting("port", 'A "port" goes with an "ip"');
  if ([server, ip, serialPort].filter((each) => each !== undefined).length > 1) {
    refuseSetting(server === undefined ? "serialPort" : "server", 'Only one of "server", "ip" and "serialPort" can be');
  }
  if (ip !== undefined) {
    const made = `tcp://${ip.includes(":") && !ip.startsWith("[") ? `[${ip}]` : ip}:${port ?? portDefault}`;
    return serverPattern.test(made) ? made : refuseSetting("ip", `Bad host "${ip}"`);
  }
  if (serialPort !== undefined) {
    if (serialPort.startsWith("/")) return serialPort;
    refuseSetting("serialPort", `Bad serial port "${serialPort}": wanted a device file such as /dev/ttyUSB0`);
  }
  return server ?? refuseSetting("server", 'Setting "server" is missing: tcp://host:port or a device file', "E404");
}

/** What makes two lines the same, however it is spelled. */
export function identityOf(settings: ConnectionSettings): string {
  const { server: _server, ip: _ip, port: _port, serialPort: _serialPort, ...rest } = settings;
  const made = serverOf(settings);
  return JSON.stringify([made.startsWith("/") ? made : { kind: made.split(":")[0], ...addressOf(made) }, rest]);
}

/** So many requests in a row without a single byte in answer, and the connection is taken for dead. */
const silencesMax = 3;
/** The least silence that ends an answer that makes no sense: gateways and USB adapters pause within frames. */
const quietMs = 50;

/** The line, made when it is first used. */
export class LazyLine {
  readonly #line: Promise<Line>;

  /** `more` wins over the settings. */
  constructor(
    settings: ConnectionSettings,
    context: Pick<ConnectorContext, "clock" | "status">,
    more: Partial<LineOptions> = {},
  ) {
    this.#line = makeLine(settings, context, more);
    // Whoever opens sees the failure; without anybody it must not end the process.
    this.#line.catch(() => {});
  }

  open(): Promise<Line> {
    return this.#line;
  }

  async close(): Promise<void> {
    const line = await this.#line.catch(() => undefined);
    await line?.close();
  }
}

async function makeLine(
  settings: ConnectionSettings,
  context: Pick<ConnectorContext, "clock" | "status">,
  more: Partial<LineOptions>,
): Promise<Line> {
  const { timeout: timeoutMs } = settings;
  const server = serverOf(settings);
  const { Line } = await import("./line.ts");
  const isTcp = server.startsWith("tcp://");
  const framing = isTcp
    ? new (await import("./protocol/tcp_framing.ts")).TcpFraming()
    : new (await import("./protocol/rtu_framing.ts")).RtuFraming();
  const { open, gapMs } = await opener(server, settings, context);
  return new Line({
    open,
    framing,
    timeoutMs,
    pauseMs: Math.max(settings.pause, gapMs),
    broadcastPauseMs: settings.broadcastPause,
    delayAfterConnectMs: settings.delayAfterConnect,
    close: settings.closeAfterUse === "always" ? "after requests" : "stay",
    quietMs,
    restMaxMs: settings.longestRest,
    silencesMax,
    ...more,
  }, context);
}

async function opener(
  server: string,
  settings: ConnectionSettings,
  { clock }: Pick<ConnectorContext, "clock">,
): Promise<{ readonly open: OpenPort; readonly gapMs: number }> {
  const { connectTimeout: connectTimeoutMs } = settings;
  if (server.startsWith("/")) {
    const { frameGapMs, serialPort } = await import("./serial_port.ts");
    const serial = { ...settings, path: server };
    return { open: serialPort(serial, clock), gapMs: Math.ceil(frameGapMs(serial)) };
  }
  const { tcpPort } = await import("./tcp_port.ts");
  return { open: tcpPort({ ...addressOf(server), connectTimeoutMs }, clock), gapMs: 0 };
}

/** Host and port of a `tcp://` or `rtu+tcp://` server. */
export function addressOf(server: string): { readonly host: string; readonly port: number } {
  const [, host, port] = server.match(/^[a-z+]+:\/\/(.+?)(?::(\d+))?$/)!;
  return { host: host!.replace(/^\[(.*)\]$/, "$1"), port: port === undefined ? portDefault : Number(port) };
}
