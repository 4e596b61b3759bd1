/**
 * For tests: payloads made by protobufjs from the schema of the specification, and not by code of this project.
 * @module
 */
import protobuf from "protobufjs";

const schema = `
syntax = "proto2";
package org.eclipse.tahu.protobuf;
message Payload {
  message Template {
    message Parameter {
      optional string name = 1; optional uint32 type = 2;
      oneof value {
        uint32 int_value = 3; uint64 long_value = 4; float float_value = 5; double double_value = 6;
        bool boolean_value = 7; string string_value = 8;
      }
    }
    optional string version = 1; repeated Metric metrics = 2; repeated Parameter parameters = 3;
    optional string template_ref = 4; optional bool is_definition = 5;
  }
  message DataSet {
    message DataSetValue {
      oneof value {
        uint32 int_value = 1; uint64 long_value = 2; float float_value = 3; double double_value = 4;
        bool boolean_value = 5; string string_value = 6;
      }
    }
    message Row { repeated DataSetValue elements = 1; }
    optional uint64 num_of_columns = 1; repeated string columns = 2; repeated uint32 types = 3; repeated Row rows = 4;
  }
  message PropertyValue {
    optional uint32 type = 1; optional bool is_null = 2;
    oneof value {
      uint32 int_value = 3; uint64 long_value = 4; float float_value = 5; double double_value = 6;
      bool boolean_value = 7; string string_value = 8; PropertySet propertyset_value = 9;
      PropertySetList propertysets_value = 10;
    }
  }
  message PropertySet { repeated string keys = 1; repeated PropertyValue values = 2; }
  message PropertySetList { repeated PropertySet propertyset = 1; }
  message Metric {
    optional string name = 1; optional uint64 alias = 2; optional uint64 timestamp = 3; optional uint32 datatype = 4;
    optional bool is_historical = 5; optional bool is_transient = 6; optional bool is_null = 7;
    optional PropertySet properties = 9;
    oneof value {
      uint32 int_value = 10; uint64 long_value = 11; float float_value = 12; double double_value = 13;
      bool boolean_value = 14; string string_value = 15; bytes bytes_value = 16; DataSet dataset_value = 17;
      Template template_value = 18;
    }
  }
  optional uint64 timestamp = 1; repeated Metric metrics = 2; optional uint64 seq = 3; optional string uuid = 4;
  optional bytes body = 5;
}`;

const payloadType = protobuf.parse(schema).root.lookupType("org.eclipse.tahu.protobuf.Payload");

/** Fields are named as protobufjs has them: `isHistorical`, `intValue`. */
export interface SchemaMetric {
  readonly name?: string;
  readonly alias?: number;
  readonly timestamp?: number;
  readonly datatype?: number;
  readonly isHistorical?: boolean;
  readonly isNull?: boolean;
  readonly [field: string]: unknown;
}

export function encodeBySchema(
  payload: {
    readonly timestamp?: number;
    readonly seq?: number;
    readonly metrics?: readonly SchemaMetric[];
    readonly uuid?: string;
    readonly body?: Uint8Array;
  },
): Uint8Array {
  return payloadType.encode(payloadType.fromObject(payload)).finish();
}

/** With numbers for whole numbers of 64 bits. */
export function decodeBySchema(bytes: Uint8Array): Record<string, unknown> {
  return payloadType.toObject(payloadType.decode(bytes), { longs: Number });
}
