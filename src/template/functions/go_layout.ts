/**
 * Layouts of datetimes in Go's notation: `2006-01-02 15:04:05.000`.
 * @module
 */
import { fraction, type Layout, type Part, parts } from "../../value/datetime_layout.ts";
import { fail } from "../run.ts";

const goPart =
  /[.,]0+(?!\d)|\.9+(?!\d)|2006|January|Jan|Monday|Mon|MST|Z07:00|Z0700|Z07(?!\d)|-07:00|-0700|-07(?!\d)|PM|_2(?!006)|01|02|03|04|05|06|15|1|2|3|4|5/y;

/** No layout for people is longer. */
const lengthMax = 200;

/** Month, weekday and zone names: each may try many places of a text that does not fit. */
const namesMax = 4;

/** @throws {RowError} E516 for layouts that are too long or name too much. */
export function goLayout(format: string): Layout {
  if (format.length > lengthMax) fail(`a layout may have ${lengthMax} characters`);
  const layout: (string | Part)[] = [];
  let names = 0;
  for (let at = 0; at < format.length;) {
    goPart.lastIndex = at;
    const name = goPart.exec(format)?.[0];
    if (name === undefined) {
      layout.push(format[at++]!);
      continue;
    }
    if (/^[A-Z]/.test(name) && ++names > namesMax) fail("a layout names months, weekdays and zones too often");
    if (/^[.,]0/.test(name)) layout.push(fraction(name.length - 1, name[0]));
    else if (name.startsWith(".9")) layout.push(parts[".9"]);
    else layout.push(parts[name as keyof typeof parts]);
    at += name.length;
  }
  return layout;
}
