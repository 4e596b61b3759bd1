/**
 * Everything an action needs before it can run, checked: its sink, its templates, and how its messages are made.
 * @module
 */
import type { Encoder } from "../codec/codec.ts";
import { codecOf } from "../codec/codecs.ts";
import { createPacker, type Packer } from "../codec/pack.ts";
import type { PayloadKind, PayloadSinkRole, RowSinkRole, SettingsSchema } from "../connector/declare.ts";
import { dynamicNames, mergeSettings, readSettings, templatedNames } from "../connector/settings.ts";
import { fail } from "../diagnostics/diagnostic.ts";
import { dynamicSettings } from "../template/dynamic_property.ts";
import { compileTemplate, isTemplate } from "../template/template.ts";
import { type ActionSettings, actionSettings, isBatched } from "./action_settings.ts";
import { checkCache } from "./durable/cache_settings.ts";
import { checkRole, type PreparedRole, readRoles, suggesting, takeCommon, unknownType } from "./prepare_role.ts";
import type { RuleEnvironment } from "./prepare_rule.ts";
import type { Templates } from "./result_transform.ts";
import type { ActionDefinition } from "./rule_definition.ts";
import { requiredSchema } from "./stream_schema.ts";

export interface PreparedAction extends PreparedRole {
  readonly definition: ActionDefinition;
  readonly role: PayloadSinkRole<SettingsSchema, never> | RowSinkRole<SettingsSchema, never>;
  readonly common: ActionSettings;
  /** Absent for sinks that take rows. */
  readonly payloads: PreparedPayloads | undefined;
  readonly templates: Templates;
  /** With `resendDestination`: the settings of the sink that sends again. */
  readonly resend: PreparedRole | undefined;
}

/** How an action makes payloads. */
export interface PreparedPayloads extends PayloadKind {
  createEncoder(): Encoder;
  /** What is done with a payload before it is sent. */
  readonly pack: Packer | undefined;
}

/**
 * @throws {DiagnosticError} E402 to E408 for what is wrong with the properties, E405 for the type, E409 for a template.
 */
export function prepareAction(definition: ActionDefinition, environment: RuleEnvironment): PreparedAction {
  const { type, path } = definition;
  const connector = environment.connectors.find(type, "sink") ??
    unknownType("sink", type, environment.connectors, path);
  const role = connector.sink as PreparedAction["role"];
  const resolved = environment.configs.resolve("sink", type, { own: definition.properties, path });
  environment.secrets?.check(resolved.settings, path);
  const where = `${type} action`;
  refuseTemplates(resolved.settings, role.settings, { path, where });
  const { common, rest } = takeCommon(resolved.settings, actionSettings, connector, role.settings);
  const settings = suggesting(
    [actionSettings, connector.connection?.settings],
    () => readRoles(connector, role.settings, rest, resolved.connection?.id, path, where),
  );
  const checked = readSettings(actionSettings, withDefaults(common, environment.sinkDefaults), { path, where });
  checkCache(checked, path);
  if (checked.fields.length > 0 && checked.excludeFields.length > 0) {
    fail("E403", "fields and excludeFields cannot be used together", { path: `${path}.excludeFields` });
  }
  const payloads = role.accepts === "payloads" ? preparePayloads(checked, environment, path) : undefined;
  const templates = prepareTemplates(checked, role.settings, settings.settings as Record<string, unknown>, path);
  const context = payloads === undefined ? environment : { ...environment, payloads };
  checkRole(role, settings.settings, context, path);
  const { resendAlterQueue, resendDestination } = checked;
  let resend: PreparedRole | undefined;
  if (resendAlterQueue && resendDestination !== "") {
    const place = `${path}.resendDestination`;
    if (!Object.hasOwn(role.settings.entries, "topic")) {
      fail("E403", `resendDestination takes the place of the topic, which the ${where} has not`, { path: place });
    }
    const elsewhere = mergeSettings(role.settings, rest, { topic: resendDestination });
    resend = readRoles(connector, role.settings, elsewhere, resolved.connection?.id, path, where);
    checkRole(role, resend.settings, context, place);
  }
  return { ...settings, connector, definition, role, common: checked, payloads, templates, resend };
}

/** Names match in any letter case; null counts as absent. */
function withDefaults(
  settings: Readonly<Record<string, unknown>>,
  defaults: Readonly<Record<string, unknown>> = {},
): Record<string, unknown> {
  const given = new Set<string>();
  for (const [name, value] of Object.entries(settings)) if (value !== null) given.add(name.toLowerCase());
  const absent = Object.entries(defaults).filter(([name]) => !given.has(name.toLowerCase()));
  return { ...settings, ...Object.fromEntries(absent) };
}

function preparePayloads(common: ActionSettings, { aesKey, schemas }: RuleEnvironment, path: string): PreparedPayloads {
  const codec = codecOf(common.format, { path: `${path}.format` });
  const place = { name: "schemaId", path: `${path}.schemaId` };
  const schema = requiredSchema(codec, common.schemaId, schemas, place);
  const createEncoder = () => codec.createEncoder(schema === undefined ? common : { ...common, schema });
  if (isBatched(common) && createEncoder().joinRows === undefined) {
    fail(
      "E403",
      `Messages of the format "${codec.format}" cannot be put together: batchSize and lingerInterval need another`,
      {
        path: `${path}.format`,
      },
    );
  }
  const { compression, encryption } = common;
  const pack = createPacker(common, { aesKey, path });
  const hasHeader = codec.format === "delimited" && common.hasHeader;
  return { format: codec.format, compression, encryption, hasHeader, aesKey, createEncoder, pack };
}

function prepareTemplates(
  { dataTemplate }: ActionSettings,
  schema: SettingsSchema,
  settings: Readonly<Record<string, unknown>>,
  path: string,
): Templates {
  const templated = dynamicNames(schema).filter((name) => holdsTemplate(settings[name]));
  const dynamic = Object.fromEntries(templated.map((name) => [name, settings[name]]));
  return {
    data: dataTemplate === "" ? undefined : compileTemplate(dataTemplate, { path: `${path}.dataTemplate` }),
    settings: templated.length === 0 ? undefined : dynamicSettings(dynamic, { path }).value,
  };
}

function holdsTemplate(value: unknown): boolean {
  if (typeof value === "string") return isTemplate(value);
  return typeof value === "object" && value !== null && Object.values(value).some(holdsTemplate);
}

/** A text with a template must not be sent as it is. */
function refuseTemplates(
  settings: Readonly<Record<string, unknown>>,
  schema: SettingsSchema,
  { path, where }: { readonly path: string; readonly where: string },
): void {
  const may = templatedNames(schema);
  for (const [key, value] of Object.entries(settings)) {
    const name = key.toLowerCase();
    if (name === "datatemplate" || may.has(name) || !holdsTemplate(value)) continue;
    const dynamic = dynamicNames(schema);
    fail("E403", `Setting "${key}" of the ${where} cannot hold a template`, {
      path: `${path}.${key}`,
      hint: `templates may stand in ${["dataTemplate", ...dynamic].join(", ")}`,
    });
  }
}
