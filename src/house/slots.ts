/** Slots as the sources show them: a contract `x.ts` that imports `./x.index.ts`, and the folder `x/` beside it. */
import { isTest, type Source, sourceRoot, walk } from "./sources.ts";

export interface SlotSource {
  /** For example `serve/batching`. */
  readonly path: string;
  /** For example `Batching`: the contract's type. */
  readonly contract: string;
  /** `Index<Batching>` of `core/slot.ts`, or a type that the contract file declares itself. */
  readonly ownIndexType: boolean;
  readonly ids: readonly string[];
}

export function findSlots(sources: ReadonlyMap<string, Source>): SlotSource[] {
  return [...sources.values()].filter(isContract).map((source) => {
    const path = source.path.replace(/\.ts$/, "");
    const contract = pascal(path.split("/").at(-1)!);
    let ownIndexType = false;
    walk(source.program, (node) => {
      if (node.type === "TSTypeAliasDeclaration" && node.id.name === `${contract}Index`) ownIndexType = true;
    });
    const ids = [...sources.keys()]
      .filter((file) => file.startsWith(`${path}/`) && !isTest(file) && !file.slice(path.length + 1).includes("/"))
      .map((file) => file.slice(path.length + 1, -".ts".length));
    return { path, contract, ownIndexType, ids };
  });
}

function isContract({ path, imports }: Source): boolean {
  const index = path.replace(/\.ts$/, ".index.ts");
  return !isTest(path) && imports.some((i) => i.path === index);
}

/** What the slot's `x.index.ts` must say. */
export function indexText({ path, contract, ownIndexType, ids }: SlotSource): string {
  const name = path.split("/").at(-1)!;
  const core = "../".repeat(path.split("/").length - 1) + "core/slot.ts";
  const type = ownIndexType ? `${contract}Index` : `Index<${contract}>`;
  const lines = [
    `// Written by \`npm run index\` from the files of ${name}/.`,
    ...(ownIndexType
      ? [`import type { ${contract}Index } from "./${name}.ts";`]
      : [`import type { Index } from "${core}";`, `import type { ${contract} } from "./${name}.ts";`]),
    "",
    `export const ${contract[0]!.toLowerCase()}${contract.slice(1)}Index: ${type} = {`,
    ...ids.map((id) => `  ${/^[a-z_]\w*$/.test(id) ? id : `"${id}"`}: () => import("./${name}/${id}.ts"),`),
    "};",
    "",
  ];
  return lines.join("\n");
}

export const indexFile = (slot: SlotSource): URL => new URL(`${slot.path}.index.ts`, sourceRoot);

const pascal = (id: string): string => id.replace(/(^|-)(\w)/g, (_, __, letter: string) => letter.toUpperCase());
