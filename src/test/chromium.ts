/** The browser that tests drive: whichever is installed, or the one that HEDDLE_BROWSER names. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import type { TestContext } from "node:test";
import { chromium, type Page } from "playwright-core";

const paths = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
const browserPath = [process.env.HEDDLE_BROWSER ?? "", ...paths].find((path) => existsSync(path));
const isRequired = (process.env.HEDDLE_REQUIRE ?? "").split(",").includes("browser");

/** Why tests in a browser are left out, or false. */
export const skip = browserPath === undefined && !isRequired ? `no browser at ${paths.join(", ")}` : false;

/** A new page until the test ends, with the errors that its scripts throw. */
export async function openPage(context: TestContext): Promise<{ page: Page; errors: readonly string[] }> {
  assert.ok(browserPath !== undefined, `HEDDLE_REQUIRE asks for a browser; none is at ${paths.join(", ")}`);
  const browser = await chromium.launch({ executablePath: browserPath, args: ["--no-sandbox"] });
  context.after(() => browser.close());
  const page = await browser.newPage();
  const errors: string[] = [];
  page.on("pageerror", (error) => errors.push(error.message));
  return { page, errors };
}
