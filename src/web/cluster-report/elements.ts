/** Elements of the page, made in one expression. Text is text: nothing of a trace is read as HTML. */

type Child = Node | string;

export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  properties: Partial<HTMLElementTagNameMap[K]> & { readonly data?: Readonly<Record<string, string>> } = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  const { data = {}, ...rest } = properties;
  Object.assign(element, rest);
  for (const [name, value] of Object.entries(data)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

export function byId(id: string): HTMLElement {
  const element = document.getElementById(id);
  if (element === null) throw new Error(`the page has no #${id}`);
  return element;
}

export interface Choice {
  readonly value: string;
  readonly text: string;
}

/** A list to choose from, with its name before it. */
export function select(id: string, choices: readonly Choice[], chosen: () => void): HTMLSelectElement {
  const list = make("select", { id, onchange: chosen });
  for (const { value, text } of choices) list.append(make("option", { value, textContent: text }));
  return list;
}

export const labelled = (text: string, control: HTMLElement): HTMLLabelElement =>
  make("label", {}, make("span", { textContent: text }), control);

export const button = (text: string, name: string, press: () => void): HTMLButtonElement =>
  make("button", { type: "button", textContent: text, title: name, ariaLabel: name, onclick: press });
