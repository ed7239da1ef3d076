/** Times as traces write them: calendar times, durations of Slurm. */
import type { Seconds } from "../../time/clock.ts";

const calendar = /^(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d):(\d\d)(\.\d+)?(?: ?(Z|UTC|[+-]\d\d:?\d\d))?$/;

/** From September 2001 on: nine digits may be anything. */
const sinceEpoch = /^\d{10}(\.\d+)?$/;

/**
 * Seconds since 1970 of `2020-04-01 00:00:00`, in UTC where no offset is written, or of their number (`SLURM_TIME_FORMAT=%s`);
 * `undefined` for anything else.
 */
export function unixSeconds(text: string): Seconds | undefined {
  const match = calendar.exec(text);
  if (match === null) return sinceEpoch.test(text) ? Number(text) : undefined;
  const [, year, month, day, hour, minute, second, fraction, zone] = match;
  const milliseconds = Date.UTC(+year!, +month! - 1, +day!, +hour!, +minute!, +second!);
  const there = new Date(milliseconds);
  // Month 13, 31 June and 25 o'clock would be carried over.
  if (+minute! > 59 || +second! > 60) return undefined;
  const carried = there.getUTCMonth() !== +month! - 1 || there.getUTCDate() !== +day! || there.getUTCHours() !== +hour!;
  if (carried) return undefined;
  return milliseconds / 1000 + (fraction === undefined ? 0 : +fraction) - offsetSeconds(zone);
}

function offsetSeconds(zone: string | undefined): Seconds {
  if (zone === undefined || zone === "Z" || zone === "UTC") return 0;
  const digits = zone.replace(":", "");
  const size = +digits.slice(1, 3) * 3600 + +digits.slice(3, 5) * 60;
  return digits.startsWith("-") ? -size : size;
}

/** Seconds of Slurm's `[D-]HH:MM:SS[.mmm]`, or `MM:SS`; `undefined` for anything else, such as `UNLIMITED`. */
export function slurmSeconds(text: string): Seconds | undefined {
  const match = /^(?:(\d+)-)?(?:(\d+):)?(\d+):(\d\d(?:\.\d+)?)$/.exec(text);
  if (match === null) return undefined;
  const [, days = "0", hours = "0", minutes, seconds] = match;
  return +days * 86_400 + +hours * 3600 + +minutes! * 60 + +seconds!;
}

const powers: Readonly<Record<string, number>> = { "": 1, K: 1, M: 2, G: 3, T: 4, P: 5 };

/** Bytes of Slurm's `375G` or `4000M`; a number without a letter counts mebibytes. */
export function slurmBytes(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)([KMGTP]?)B?$/.exec(text);
  if (match === null) return undefined;
  return +match[1]! * 1024 ** (match[2] === "" ? 2 : powers[match[2]!]!);
}
