/** Waits until something is so; fails after a while that no machine is too busy for, unless it is to come sooner. */
export async function until(isSo: () => boolean, seconds = 60, what: () => string = () => `${isSo}`): Promise<void> {
  const end = performance.now() + seconds * 1e3;
  while (!isSo()) {
    if (performance.now() > end) throw new Error(`after ${seconds} s there is no ${what()}`);
    await new Promise((wake) => setTimeout(wake, 5));
  }
}
