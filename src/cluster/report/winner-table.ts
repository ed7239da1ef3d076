/** The table of who wins, as HTML: written into the page, and drawn anew by its program for the jobs that a reader chooses. */
import { type Winners, winnerColumns } from "./winners.ts";
import { count, times } from "./words.ts";

export const escaped = (text: string): string =>
  text.replace(/[&<>"]/g, (sign) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[sign]!);

export function winnerTable({ rows }: Winners): string {
  const head = winnerColumns.map(({ title, help }) => `<th scope="col" title="${help}">${title}</th>`).join("");
  const body = rows.map(({ name, finished, jobs, cells }) => {
    const figures = cells.map(({ text, worse }) => {
      const ratio = worse === undefined ? "" : worse === 1 ? "best" : times(worse);
      return `<td${worse === 1 ? ' class="best"' : ""}>${text}<small>${ratio}</small></td>`;
    });
    const short = finished < jobs ? `<small>${count(jobs - finished)} unfinished</small>` : "";
    return `<tr><th scope="row">${escaped(name)}${short}</th>${figures.join("")}</tr>`;
  });
  return `<table><thead><tr><th scope="col">policy</th>${head}</tr></thead><tbody>${body.join("")}</tbody></table>`;
}
