/** The page at `/`, as a person meets it: a real browser, the real server, a scripted model. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { openPage, skip } from "./chromium.ts";
import { withClient } from "./http-client.ts";
import { until } from "./until.ts";

test("programs get a description at /, browsers a page that may load nothing else", async () => {
  await withClient({}, async ({ url }) => {
    const program = await fetch(url);
    assert.match(program.headers.get("content-type") ?? "", /json/);
    assert.equal(((await program.json()) as { model: string }).model, "fake");
    const page = await fetch(url, { headers: { accept: "text/html,*/*" } });
    assert.match(page.headers.get("content-type") ?? "", /^text\/html/);
    assert.match(page.headers.get("content-security-policy") ?? "", /^default-src 'none';/);
    assert.doesNotMatch(await page.text(), /(src|href)=|https?:/);
  });
});

test("a conversation: streamed, stopped, continued, begun anew", { skip }, async (context) => {
  // The second would take minutes: it does not end before it is stopped.
  const said = ["A <b>fox</b> & a lamp.", "x".repeat(100_000), "Goodbye."];
  const fake = { reply: () => said.shift()!, tokenMilliseconds: 3, context: 200_000 };
  const { page, errors } = await openPage(context);
  await withClient(fake, async ({ url, service }) => {
    await page.goto(url);
    assert.equal(await page.textContent("h1"), "fake");
    await page.fill("#text", "Tell me a story.");
    await page.press("#text", "Enter");
    const first = page.locator(".assistant").first();
    await first.filter({ hasText: /^A <b>f/ }).waitFor();
    // What the model writes is text, whatever it looks like.
    await page
      .locator("#send")
      .filter({ hasText: /^Send$/ })
      .waitFor();
    assert.equal(await first.textContent(), "A <b>fox</b> & a lamp.");
    assert.equal(service.cancelled, 0);

    await page.fill("#text", "Say x.");
    await page.click("#send");
    await page.locator(".assistant").nth(1).filter({ hasText: /^xx/ }).waitFor();
    await page.click("#send");
    await page
      .locator("#send")
      .filter({ hasText: /^Send$/ })
      .waitFor();

    await page.fill("#text", "Bye");
    await page.click("#send");
    await page
      .locator(".assistant")
      .nth(2)
      .filter({ hasText: /^Goodbye\.$/ })
      .waitFor();
    await until(() => service.cancelled === 1);
    const sent = new TextDecoder().decode(Uint8Array.from(service.requests[2]!.prompt.filter((id) => id < 256)));
    assert.match(sent, /Tell me a story\.[\s\S]*fox[\s\S]*Say x\.[\s\S]*xx[\s\S]*Bye/);

    await page
      .locator("#send")
      .filter({ hasText: /^Send$/ })
      .waitFor();
    await page.click("#new");
    assert.equal(await page.locator("article").count(), 0);
  });
  assert.deepEqual(errors, []);
});

test("what no longer fits the context is left out, the oldest first; a refusal is shown", { skip }, async (context) => {
  const { page, errors } = await openPage(context);
  const key = { apiKey: "secret" };
  await withClient(
    { context: 200 },
    async ({ url, service }) => {
      await page.goto(url);
      await page.fill("#text", "Hello?");
      await page.press("#text", "Enter");
      await page.waitForSelector(".problem");
      assert.equal(await page.inputValue("#text"), "Hello?");
      await page.fill("#key", "secret");
      for (let i = 0; i < 4; i++) {
        await page.fill("#text", `Question ${i} ${"?".repeat(40)}`);
        await page.press("#text", "Enter");
        await page.locator(".assistant").nth(i).waitFor();
        await page
          .locator("#send")
          .filter({ hasText: /^Send$/ })
          .waitFor();
      }
      const last = service.requests.at(-1)!.prompt.filter((id) => id < 256);
      const sent = new TextDecoder().decode(Uint8Array.from(last));
      assert.match(sent, /Question 3/);
      assert.doesNotMatch(sent, /Question 0/);
    },
    key,
  );
  assert.deepEqual(errors, []);
});
