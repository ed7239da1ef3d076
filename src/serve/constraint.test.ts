/** What the automaton lets end parses and validates; what validates and is written as we write it is let through. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Ajv2020 } from "ajv/dist/2020.js";
import fc from "fast-check";
import { type Random, stream } from "../core/random.ts";
import { byteTokenizer } from "../test/fake-service.ts";
import { TokenMasks } from "./constraint/mask.ts";
import { jsonConstraint, parseToolCall, schemaConstraint, toolConstraint } from "./constraint.ts";
import type { ConstraintState } from "./generation.ts";

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
const ajv = new Ajv2020({ strict: false, validateFormats: false });

const accepts = (state: ConstraintState, text: string): boolean => state.advance(encode(text))?.complete ?? false;

/** Writes random allowed bytes until nothing may follow, preferring what closes once it is long. */
function walk(from: ConstraintState, random: Random): string {
  const bytes: number[] = [];
  let state = from;
  const closing = [...encode('"}],0e')];
  while (!state.closed && !(state.complete && random() < 0.5)) {
    const allowed = Array.from({ length: 256 }, (_, b) => b).filter(
      (b) => state.advance(Uint8Array.of(b)) !== undefined,
    );
    assert.ok(allowed.length > 0, "a dead end");
    const preferred = bytes.length > 60 ? allowed.filter((b) => closing.includes(b)) : [];
    const from256 = preferred.length > 0 && random() < 0.9 ? preferred : allowed;
    const byte = from256[Math.floor(random() * from256.length)]!;
    bytes.push(byte);
    state = state.advance(Uint8Array.of(byte))!;
    assert.ok(bytes.length < 5000, "the walk does not end");
  }
  return new TextDecoder("utf-8", { fatal: true }).decode(Uint8Array.from(bytes));
}

const leaf = fc.oneof(
  fc.constantFrom<unknown>(
    { type: "string" },
    { type: "string", minLength: 2, maxLength: 4 },
    { type: "string", pattern: "^[a-c]{2,3}x?$" },
    { type: "number" },
    { type: "boolean" },
    { type: ["string", "null"] },
    { enum: ["red", 3, null, { a: [1] }] },
    { const: 'say "hi" \\ é' },
  ),
  fc
    .tuple(fc.integer({ min: -999, max: 999 }), fc.nat(2000))
    .map(([min, span]) => ({ type: "integer", minimum: min, maximum: min + span })),
);
const schemas = fc.letrec<{ schema: unknown }>((tie) => ({
  schema: fc.oneof(
    { depthSize: "small" },
    leaf,
    fc.record({
      type: fc.constant("array"),
      items: tie("schema"),
      minItems: fc.constantFrom(0, 1, 2),
      maxItems: fc.constantFrom(2, 3),
    }),
    fc.dictionary(fc.constantFrom("a", "b", "naïve", 'q"t'), tie("schema"), { maxKeys: 3 }).map((properties) => ({
      type: "object",
      properties,
      required: Object.keys(properties).filter((_, i) => i % 2 === 0),
      additionalProperties: false,
    })),
    fc.record({ anyOf: fc.array(tie("schema"), { minLength: 1, maxLength: 3 }) }),
  ),
})).schema;

test("whatever ends validates", () => {
  fc.assert(
    fc.property(schemas, fc.nat(), (schema, seed) => {
      const validate = ajv.compile(schema as object);
      const text = walk(schemaConstraint(schema), stream(seed));
      assert.ok(validate(JSON.parse(text)), `${text} against ${JSON.stringify(schema)}`);
    }),
    { numRuns: 300 },
  );
});

test("any JSON object that JSON.stringify writes is let through, and only objects", () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 3 })), (value) => {
      const text = JSON.stringify(value);
      if (/\d{16}|e[+-]?\d{3}/.test(text)) return;
      assert.ok(accepts(jsonConstraint(), text), text);
    }),
  );
  for (const text of ["[]", "1", '"a"', '{"a":}', '{"a":1,}', "{} ", '{"a":01}', '{"a":"\\ud800"}', '{"a":"\n"}']) {
    assert.equal(accepts(jsonConstraint(), text), false, text);
  }
  assert.equal(jsonConstraint().advance(Uint8Array.of(...encode('{"a":"'), 0xed, 0xa0)), undefined);
});

test("bounds of integers are exact", () => {
  for (const [minimum, maximum] of [
    [-12, 105],
    [7, 7],
    [0, 10],
    [-305, -17],
    [99, 1001],
  ] as const) {
    const state = schemaConstraint({ type: "integer", minimum, maximum });
    for (let n = -400; n <= 1100; n++) assert.equal(accepts(state, String(n)), n >= minimum && n <= maximum, `${n}`);
  }
  const state = schemaConstraint({ type: "integer", exclusiveMinimum: 2, exclusiveMaximum: 5 });
  assert.deepEqual(
    [2, 3, 4, 5].map((n) => accepts(state, String(n))),
    [false, true, true, false],
  );
});

test("a pattern without anchors may stand anywhere", () => {
  const state = schemaConstraint({ type: "string", pattern: "q+u" });
  for (const text of ["qu", "aqqub", "é qu"]) assert.ok(accepts(state, JSON.stringify(text)), text);
  assert.equal(accepts(state, '"q"'), false);
});

test("references, recursion, formats", () => {
  const tree = {
    $defs: {
      node: {
        type: "object",
        properties: { v: { type: "integer" }, kids: { type: "array", items: { $ref: "#/$defs/node" } } },
        required: ["v"],
      },
    },
    $ref: "#/$defs/node",
  };
  assert.ok(accepts(schemaConstraint(tree), '{"v":1,"kids":[{"v":2,"kids":[]},{"v":3}]}'));
  assert.equal(accepts(schemaConstraint(tree), '{"v":1,"kids":[{"w":2}]}'), false);
  assert.ok(accepts(schemaConstraint({ type: "string", format: "date-time" }), '"2026-01-28T23:59:00Z"'));
  assert.equal(accepts(schemaConstraint({ type: "string", format: "ipv4" }), '"256.1.1.1"'), false);
});

test("what cannot be held to is refused by name and path", () => {
  const refused: readonly (readonly [unknown, RegExp])[] = [
    [
      { type: "object", properties: { a: { type: "string", contentEncoding: "x" } } },
      /#\/properties\/a\/contentEncoding/,
    ],
    [{ not: {} }, /not/],
    [{ type: "number", minimum: 1 }, /minimum/],
    [{ type: "integer", multipleOf: 2 }, /multipleOf/],
    [{ type: "string", pattern: "(?=a)" }, /look-around/],
    [{ type: "string", format: "hostname" }, /hostname/],
    [{ oneOf: [{ type: "number" }, { type: "integer" }] }, /oneOf/],
    [{ $ref: "#/$defs/none" }, /does not exist/],
    [{ $ref: "#" }, /itself/],
    [{ type: "array", uniqueItems: true }, /uniqueItems/],
    [7, /must be an object/],
  ];
  for (const [schema, message] of refused) assert.throws(() => schemaConstraint(schema), message);
});

test("calls of tools", () => {
  const tools = [
    { name: "add", parameters: { type: "object", properties: { x: { type: "integer" } }, required: ["x"] } },
    { name: "now" },
  ];
  const any = toolConstraint(tools, "required");
  assert.ok(accepts(any, '{"name": "add", "arguments": {"x": 4}}'));
  assert.ok(accepts(any, '{"name":"now","arguments":{}}'));
  assert.equal(accepts(any, '{"name":"add","arguments":{}}'), false);
  assert.equal(accepts(toolConstraint(tools, { name: "now" }), '{"name":"add","arguments":{"x":4}}'), false);
  assert.deepEqual(parseToolCall('{"name":"add","arguments":{"x":4}}'), { name: "add", arguments: '{"x":4}' });
  assert.equal(parseToolCall('{"name":"add"}'), undefined);
});

test("a mask allows exactly the tokens that the automaton does", () => {
  const masks = new TokenMasks(byteTokenizer);
  for (const text of ["", '{"', '{"a":', '{"a":-', '{"a":"\\u']) {
    const state = jsonConstraint().advance(encode(text))!;
    const mask = masks.allowed(state);
    for (let id = 0; id < byteTokenizer.vocabulary; id++) {
      const bytes = byteTokenizer.bytes(id);
      assert.equal(mask[id] === 1, bytes.length > 0 && state.advance(bytes) !== undefined, `token ${id} after ${text}`);
    }
  }
});
