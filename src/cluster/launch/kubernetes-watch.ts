/**
 * All objects of a kind, as they are and as they change: listed, then watched; listed again whenever the watch ends, so that
 * what was deleted meanwhile is seen too.
 */
import type { KubernetesObject, Watch } from "@kubernetes/client-node";

export interface Watched<T> {
  readonly labelSelector?: string;
  list(): Promise<T[]>;
  /** Called for each object at each listing and each change; `gone` once it is removed. */
  see(object: T, gone: boolean): void;
  readonly warn: (line: string) => void;
}

const waitAfterError = 500;

export class Watcher<T extends KubernetesObject> {
  readonly #watch: Watch;
  readonly #path: string;
  readonly #watched: Watched<T>;
  #known = new Map<string, T>();
  #request: AbortController | undefined;
  #closed = false;

  constructor(watch: Watch, path: string, watched: Watched<T>) {
    this.#watch = watch;
    this.#path = path;
    this.#watched = watched;
  }

  /** Resolves when the first listing has been seen; fails where it fails. */
  async start(): Promise<void> {
    await this.#list();
    void this.#follow();
  }

  async #list(): Promise<void> {
    const now = new Map((await this.#watched.list()).map((object) => [object.metadata!.uid!, object]));
    const before = this.#known;
    this.#known = now;
    for (const [uid, object] of before) if (!now.has(uid)) this.#watched.see(object, true);
    for (const object of now.values()) this.#watched.see(object, false);
  }

  /** A watch from now on: what changed since the listing is sent first, as the server sends what there is. */
  async #follow(): Promise<void> {
    const { labelSelector, see, warn } = this.#watched;
    let trouble = false;
    while (!this.#closed) {
      try {
        const ended = new Promise<void>((resolve) => {
          this.#watch
            .watch(
              this.#path,
              { ...(labelSelector !== undefined && { labelSelector }) },
              (phase, object: T) => {
                if (this.#closed || (phase !== "ADDED" && phase !== "MODIFIED" && phase !== "DELETED")) return;
                trouble = false;
                if (phase === "DELETED") this.#known.delete(object.metadata!.uid!);
                else this.#known.set(object.metadata!.uid!, object);
                see(object, phase === "DELETED");
              },
              () => resolve(),
            )
            .then(
              (request) => {
                this.#request = request;
                if (this.#closed) request.abort();
              },
              () => resolve(),
            );
        });
        await ended;
        if (this.#closed) return;
        await new Promise((done) => setTimeout(done, trouble ? waitAfterError : 20));
        await this.#list();
      } catch (error) {
        if (!trouble) warn(`The watch of ${this.#path} broke: ${(error as Error).message.split("\n")[0]}`);
        trouble = true;
        await new Promise((done) => setTimeout(done, waitAfterError));
      }
    }
  }

  close(): void {
    this.#closed = true;
    this.#request?.abort();
  }
}
