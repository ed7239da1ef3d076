/** GGUF's key-value pairs; a deferred value is decoded, once, by the first that asks for it. */
import { Deferred } from "./value.ts";

export class Metadata extends Map<string, unknown> {
  override get(key: string): unknown {
    const value = super.get(key);
    if (!(value instanceof Deferred)) return value;
    const decoded = value.decode();
    this.set(key, decoded);
    return decoded;
  }

  override entries(): MapIterator<[string, unknown]> {
    for (const key of this.keys()) this.get(key);
    return super.entries();
  }

  override values(): MapIterator<unknown> {
    for (const key of this.keys()) this.get(key);
    return super.values();
  }

  override forEach(visit: (value: unknown, key: string, map: Map<string, unknown>) => void): void {
    for (const key of this.keys()) visit(this.get(key), key, this);
  }

  override [Symbol.iterator](): MapIterator<[string, unknown]> {
    return this.entries();
  }
}
