/** Two traces side by side, a row for each step, with what differs marked in words and in place. */
import { diffWordsWithSpace } from "diff";
import { element, readTraces } from "./data";
import type { Arm, Called, Row, Said, Traces, Value, Values } from "./data";

const AT_ONCE = 1_500; // characters of a text that are shown before one asks for more
const COMPARED = 4_000; // longer texts are not compared word by word
const KINDS = { user: "user", call: "call", reply: "agent" };

/** Put the traces of a case into its place, once. */
export function showTraces(story: HTMLElement): void {
  if (story.dataset["shown"]) return;
  story.dataset["shown"] = "yes";
  const traces = readTraces(story);
  if (traces) story.append(steps(traces));
}

function steps(traces: Traces): HTMLElement {
  const single = traces.arms.length < 2;
  const heads = element("div", { class: "heads", "aria-hidden": "true" }, element("span"));
  for (const arm of traces.arms) heads.append(element("span", {}, arm));
  const list = element("div", { class: single ? "steps single" : "steps" }, heads);
  for (const row of traces.rows) list.append(step(row, traces.arms));
  if (!traces.rows.length) list.append(element("p", {}, "Nothing was said or done."));
  return list;
}

function step(row: Row, arms: Arm[]): HTMLElement {
  const mark = row.mark === "same" ? "= same" : row.mark === "differs" ? "≠ differs" : row.mark;
  const only = row.mark.startsWith("only");
  const made = element(
    "div",
    { class: `step ${only ? "only" : row.mark}`, role: "group", "aria-label": `turn ${row.turn}, ${KINDS[row.kind]}` },
    element("div", { class: "mark" }, `${row.turn} · ${KINDS[row.kind]} `, element("b", {}, mark)),
  );
  for (const arm of arms) {
    const label = element("span", { class: arms.length > 1 ? "narrow" : "hidden" }, arm);
    made.append(side(row, arm, label));
  }
  return made;
}

function side(row: Row, arm: Arm, label: HTMLElement): HTMLElement {
  const own = row[arm];
  if (!own) return element("div", { class: "side absent" }, label, "not there");
  if ("tool" in own) return call(own, label);
  const other = row[arm === "baseline" ? "candidate" : "baseline"] as Said | undefined;
  const marked = row.mark === "differs" && other ? words(own, other, arm) : null;
  return element("div", { class: "side" }, label, ...(marked ?? long(own.text)), ...cutOff(own.cut));
}

function call(own: Called, label: HTMLElement): HTMLElement {
  return element(
    "div",
    { class: "side call" },
    label,
    element("span", { class: "tool" }, own.tool),
    values(own.arguments, ""),
    element("span", { class: own.failed ? "fault" : "path" }, own.failed ? "failed" : "returned"),
    values(own.result, own.failed ? "fault" : ""),
  );
}

function values(own: Values, kind: string): HTMLElement {
  const list = element("ul", { class: `values ${kind}` });
  for (const value of own.values) list.append(element("li", {}, ...line(value)));
  if (own.more) list.append(element("li", { class: "path" }, `… and ${own.more} more values`));
  return list;
}

function line([path, text, cut, differs]: Value): Node[] {
  const shown = differs ? [element("mark", {}, ...long(text)), hidden(" differs")] : long(text);
  const name = path ? [element("span", { class: "path" }, `${path}: `)] : [];
  return [...name, ...shown, ...cutOff(cut)];
}

/** The text with the words marked that the other side does not have. */
function words(own: Said, other: Said, arm: Arm): Node[] | null {
  if (own.text.length > COMPARED || other.text.length > COMPARED) return null;
  const [before, after] = arm === "baseline" ? [own, other] : [other, own];
  const parts = diffWordsWithSpace(before.text, after.text, { timeout: 200 });
  if (!parts) return null;
  return parts
    .filter((part) => !(arm === "baseline" ? part.added : part.removed))
    .map((part) =>
      part.added || part.removed
        ? element("mark", {}, part.value)
        : document.createTextNode(part.value),
    );
}

/** A long text begins short, and a button shows the rest of what the page has. */
function long(text: string): Node[] {
  if (text.length <= AT_ONCE) return [document.createTextNode(text)];
  const shown = document.createTextNode(text.slice(0, AT_ONCE));
  const rest = (text.length - AT_ONCE).toLocaleString("en");
  const button = element("button", { type: "button" }, `show ${rest} more characters`);
  button.addEventListener("click", () => {
    shown.data = text;
    button.remove();
  });
  return [shown, document.createTextNode(" "), button];
}

function cutOff(characters: number): Node[] {
  if (!characters) return [];
  const left = characters.toLocaleString("en");
  return [element("span", { class: "path" }, ` … ${left} more characters are in report.json`)];
}

function hidden(text: string): HTMLElement {
  return element("span", { class: "hidden" }, text);
}
