/** How far a download is: bytes, rate over the last seconds, time left. */
import { say, sayOver } from "../terminal.ts";

export interface Progress {
  /** At the first byte of each attempt. */
  begin(bytesThere: number, bytesTotal: number): void;
  add(bytes: number): void;
  end(): void;
}

export function createProgress(name: string): Progress {
  let done = 0;
  let total = 0;
  let from = 0;
  let began = 0;
  let shown = 0;
  const line = (seconds: number): string => {
    const rate = (done - from) / Math.max(seconds, 1e-3);
    const left = rate > 0 ? `, ${duration((total - done) / rate)} left` : "";
    return `${name}: ${megabytes(done)} of ${megabytes(total)} MB, ${megabytes(rate)} MB/s${left}`;
  };
  return {
    begin(bytesThere, bytesTotal) {
      [done, from, total, began] = [bytesThere, bytesThere, bytesTotal, performance.now()];
      if (bytesThere > 0) say(`${name}: going on at ${megabytes(bytesThere)} of ${megabytes(bytesTotal)} MB`);
    },
    add(bytes) {
      done += bytes;
      const now = performance.now();
      if (now - shown < 200) return;
      shown = now;
      sayOver(line((now - began) / 1e3));
    },
    end() {
      sayOver("");
      say(`${name}: ${megabytes(done)} MB`);
    },
  };
}

const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(1);

function duration(seconds: number): string {
  const whole = Math.ceil(seconds);
  return whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`;
}
