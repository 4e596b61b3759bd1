/**
 * For tests: a payload that `sparkplug-payload` 1.0.3, the encoder of Eclipse Tahu, has made of a metric of every kind.
 * @module
 */
import { Buffer } from "node:buffer";

const base64 = [
  "CIDQlf+8MRILCgViZFNlcSAIWAcSGgoUTm9kZSBDb250cm9sL1JlYmlydGggC3AAEhUKAmk4EAEYgdCV/7wxIAFQ+P///w8SDQoDaTE2",
  "IAJQwPP//w8SDQoDaTMyIANQgLzs/w8SEgoDaTY0IARYgICYkt7F/v//ARIJCgJ1OCAFUPoBEgsKA3UxNiAGUOj7AxINCgN1MzIgB1iA",
  "0KzzDhISCgN1NjQgCFj///////////8BEgoKAWYgCWXNzMw9Eg4KAWQgCmlZ8/jCH26lARIHCgFiIAtwARIOCgFzIAx6B1rDvHJpY2gS",
  "CwoEdGV4dCAOegF0Eg0KBHV1aWQgD3oDYS1iEg8KBHdoZW4gDVj70JX/vDESDwoFYnl0ZXMgEYIBAwEC/xIXCgRmaWxlIBJCCQgAKgVh",
  "LmJpboIBAQkSCgoEbm9uZSADOAESEgoDb2xkGICAurvILiADKAFQBRJRCgp3aXRoL3Byb3BzIApKOAoHZW5nVW5pdAoHUXVhbGl0eQoG",
  "bmVzdGVkEgUIDEIBQxIFCAMY9AMSDggUSgoKAmxvEgQIAxgBaQAAAAAAgDVAEjwKBXRhYmxlIBCKATAIAxIBbhIBcxICb2sYAxgMGAsi",
  "DQoCCAEKAzIBYQoCKAEiDQoCCAIKAzIBYgoCKAASQwoFbW90b3IgE5IBNwoBMRIKCgNycG0gA1DcCxIICgJvbiALcAEaDwoGc2VyaWFs",
  "EAxCA00tMSIJbW90b3JUeXBlKAASIAoJbW90b3JUeXBlIBOSARAKATESCQoDcnBtIANQACgBGAAiAmIx",
].join("");

export const eclipsePayload: Uint8Array = new Uint8Array(Buffer.from(base64, "base64"));
