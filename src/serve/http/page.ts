/**
 * The page at `/` for people: a conversation with the model that is served, streamed. One self-contained document, no library.
 *
 * It is a client of `/v1/chat/completions` like any other. The whole conversation is sent each time; where it no longer fits the
 * context, its oldest exchange is left out and it is sent again.
 */
import { createHash } from "node:crypto";

export interface PageFacts {
  readonly model: string;
  readonly context: number;
}

export interface Page {
  readonly html: string;
  /** Its own script and style and no other, requests to this server and to no other. */
  readonly policy: string;
}

export function chatPage(facts: PageFacts): Page {
  // The only text from outside; `<` must not end the element that holds it.
  const data = JSON.stringify(facts).replaceAll("<", "\\u003c");
  const inline = `const facts = ${data};\n${script}`;
  const policy = [
    "default-src 'none'",
    `script-src '${digest(inline)}'`,
    `style-src '${digest(style)}'`,
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join("; ");
  return { html: `${head}<style>${style}</style>\n${body}<script>${inline}</script>\n</html>\n`, policy };
}

const digest = (text: string): string => `sha256-${createHash("sha256").update(text).digest("base64")}`;

const head = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Heddle</title>
`;

const style = `
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { margin: 0 auto; max-width: 46rem; height: 100dvh; padding: 0 1rem; box-sizing: border-box; display: flex;
  flex-direction: column; }
header { display: flex; gap: 1rem; align-items: baseline; padding: .75rem 0; border-bottom: 1px solid #8884; }
h1 { font-size: 1rem; margin: 0; flex: 1; }
main { flex: 1; overflow-y: auto; padding: 1rem 0; }
article { margin: 0 0 1rem; padding: .5rem .75rem; border-radius: .5rem; white-space: pre-wrap; overflow-wrap: anywhere; }
.user { background: #4682b433; margin-left: 3rem; }
.assistant { background: #8882; margin-right: 3rem; }
.problem { border: 1px solid #c33; }
form { display: flex; gap: .5rem; padding: .75rem 0; align-items: end; }
textarea { flex: 1; font: inherit; padding: .5rem; border-radius: .5rem; resize: none; field-sizing: content; max-height: 12rem; }
button, input { font: inherit; padding: .5rem .75rem; border-radius: .5rem; }
label { font-size: .875rem; }
label input { width: 4rem; padding: .125rem .25rem; }
[hidden] { display: none; }
`;

const body = `<body>
<header>
  <h1 id="model"></h1>
  <label>Temperature <input id="temperature" type="number" min="0" max="2" step="0.1" value="0.3"></label>
  <button id="new" type="button">New</button>
</header>
<main id="log" aria-live="polite"></main>
<form id="form">
  <input id="key" type="password" placeholder="API key" aria-label="API key" autocomplete="off" hidden>
  <textarea id="text" rows="1" placeholder="Say something" aria-label="Message" autofocus></textarea>
  <button id="send">Send</button>
</form>
`;

const script = `
const $ = (id) => document.getElementById(id);
const messages = [];
let answering;
$("model").textContent = facts.model;
$("model").title = facts.context + " tokens of context";

function show(role, text) {
  const article = document.createElement("article");
  article.className = role;
  article.textContent = text;
  $("log").append(article);
  article.scrollIntoView({ block: "end" });
  return article;
}

async function ask(signal) {
  for (;;) {
    const headers = { "content-type": "application/json" };
    if ($("key").value !== "") headers.authorization = "Bearer " + $("key").value;
    const body = { model: facts.model, messages, stream: true, temperature: Number($("temperature").value) };
    const response = await fetch("v1/chat/completions", { method: "POST", headers, body: JSON.stringify(body), signal });
    if (response.ok) return response;
    const { error } = await response.json().catch(() => ({ error: { message: response.statusText } }));
    if (error.code === "context_length_exceeded" && messages.length > 2) {
      messages.splice(0, 2);
      continue;
    }
    if (response.status === 401) $("key").hidden = false;
    throw new Error(error.message);
  }
}

async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const lines = (rest + value).split("\\n");
    rest = lines.pop();
    for (const line of lines) {
      if (line.startsWith("data: ") && line !== "data: [DONE]") yield JSON.parse(line.slice(6));
    }
  }
}

async function answer() {
  const article = show("assistant", "");
  answering = new AbortController();
  $("send").textContent = "Stop";
  let text = "";
  try {
    for await (const event of events(await ask(answering.signal))) {
      if (event.error) throw new Error(event.error.message);
      text += event.choices[0]?.delta.content ?? "";
      article.textContent = text;
      $("log").scrollTop = $("log").scrollHeight;
    }
  } catch (error) {
    if (error.name !== "AbortError") show("problem", error.message);
  }
  answering = undefined;
  $("send").textContent = "Send";
  if (text === "") {
    article.remove();
    $("text").value ||= messages.pop()?.content ?? "";
  } else messages.push({ role: "assistant", content: text });
}

$("form").addEventListener("submit", (event) => {
  event.preventDefault();
  if (answering !== undefined) return answering.abort();
  const text = $("text").value.trim();
  if (text === "") return;
  $("text").value = "";
  messages.push({ role: "user", content: text });
  show("user", text);
  answer();
});
$("text").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  if (answering === undefined) $("form").requestSubmit();
});
$("new").addEventListener("click", () => {
  answering?.abort();
  messages.length = 0;
  $("log").replaceChildren();
  $("text").focus();
});
`;
