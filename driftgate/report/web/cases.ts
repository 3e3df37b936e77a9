/** The list of cases: filtered by what they are and say, opened on demand. The URL's hash is the state. */
import { byId, element, readTraces } from "./data";
import type { CaseRow, PageData } from "./data";
import { showTraces } from "./traces";

const PRINTED = 100; // cases whose traces are printed; of the others their reason
const WAIT_MS = 120; // after a key, before the list is filtered
const KEYS = ["kind", "tool", "task_type", "difficulty", "locale"] as const;
const NAMES = { kind: "Outcome", tool: "Tool", task_type: "Task type", difficulty: "Difficulty", locale: "Locale" };

type Key = (typeof KEYS)[number];
type Filter = Partial<Record<Key | "critical" | "text", string>>;
type Item = { place: HTMLDetailsElement; row: CaseRow; text?: string };

export function startCases(data: PageData): void {
  const rows = new Map(data.cases.map((row) => [row.case_id, row]));
  const items: Item[] = [];
  for (const place of document.querySelectorAll<HTMLDetailsElement>("details.story")) {
    const row = rows.get(place.dataset["case"] ?? "");
    if (row) items.push({ place, row });
  }
  byId("stories").addEventListener("toggle", opened, true);
  onPrint(items);
  if (!items.length) return;
  const bar = new Bar(items, (filter) => {
    history.replaceState(null, "", hash(filter) || location.pathname + location.search);
    apply(filter);
  });
  const apply = (filter: Filter) => bar.say(summary(filter, items, data.cases));
  const follow = () => {
    const asked = new URLSearchParams(location.hash.includes("=") ? location.hash.slice(1) : "");
    const wanted = asked.get("case");
    if (wanted !== null) asked.delete("case");
    else if (location.hash && !location.hash.includes("=")) return; // a part of the page
    const filter = bar.show(asked);
    apply(filter);
    if (wanted !== null) open(items, wanted);
  };
  window.addEventListener("hashchange", follow);
  follow();
}

function opened(event: Event): void {
  const story = event.target;
  if (story instanceof HTMLDetailsElement && story.open && story.classList.contains("story")) showTraces(story);
}

function open(items: Item[], caseId: string): void {
  const found = items.find((item) => item.row.case_id === caseId);
  if (!found) return;
  found.place.hidden = false;
  found.place.open = true;
  showTraces(found.place);
  found.place.querySelector("summary")?.focus({ preventScroll: true });
  found.place.scrollIntoView({ block: "start" });
}

/** Hide what the filter leaves out, and say in words what is shown. */
function summary(filter: Filter, items: Item[], all: CaseRow[]): string {
  const words = (filter.text ?? "").toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const item of items) {
    const fits = fitsParts(item.row, filter) && words.every((word) => textOf(item).includes(word));
    item.place.hidden = !fits;
    if (fits) shown += 1;
  }
  if (!Object.keys(filter).length) return `${count(items.length)} of ${all.length} were not always solved`;
  const rest: Filter = { ...filter };
  delete rest.text;
  const solved = all.filter((row) => row.kind === "solved" && fitsParts(row, { ...rest, kind: "" })).length;
  const beside = filter.kind || filter.text ? "" : `; in this part ${count(solved)} always solved`;
  return `${shown} of ${count(items.length)} shown${beside}`;
}

function fitsParts(row: CaseRow, filter: Filter): boolean {
  if (filter.critical && !row.critical) return false;
  return KEYS.every((key) => !filter[key] || partsOf(row, key).includes(filter[key]));
}

function partsOf(row: CaseRow, key: Key): string[] {
  return key === "tool" ? row.tools : [row[key]];
}

/** All that the page says of a case, its traces included, read when somebody first searches. */
function textOf(item: Item): string {
  if (item.text === undefined) {
    const said: string[] = [];
    JSON.stringify(readTraces(item.place)?.rows ?? [], (_, value) => {
      if (typeof value === "string") said.push(value);
      return value;
    });
    const about = item.place.querySelectorAll("summary, .about");
    item.text = [...about].map((part) => part.textContent).concat(said).join("\n").toLowerCase();
  }
  return item.text;
}

function hash(filter: Filter): string {
  const text = new URLSearchParams(filter as Record<string, string>).toString();
  return text && `#${text}`;
}

function count(cases: number): string {
  return cases === 1 ? "1 case" : `${cases} cases`;
}

/** Before printing, open what is listed; afterwards leave it as it was. */
function onPrint(items: Item[]): void {
  let closed: HTMLDetailsElement[] = [];
  const before = () => {
    const listed = items.filter((item) => !item.place.hidden).slice(0, PRINTED);
    const places = listed.map((item) => item.place);
    const tables = document.querySelectorAll<HTMLDetailsElement>("details.table");
    for (const place of [...places, ...tables]) {
      if (place.open) continue;
      if (place.classList.contains("story")) showTraces(place);
      place.open = true;
      closed.push(place);
    }
  };
  const after = () => {
    for (const place of closed) place.open = false;
    closed = [];
  };
  matchMedia("print").addEventListener("change", (event) => (event.matches ? before() : after()));
}

/** The controls above the list. */
class Bar {
  private readonly selects = new Map<Key, HTMLSelectElement>();
  private readonly critical = element("input", { type: "checkbox" });
  private readonly text = element("input", { type: "search", autocomplete: "off" });
  private readonly output = element("output", { "aria-live": "polite" });

  constructor(items: Item[], changed: (filter: Filter) => void) {
    const form = element("form", { class: "bar", role: "search", "aria-label": "Filter the cases" });
    form.append(element("label", { class: "grow" }, "Search in cases and traces", this.text));
    for (const key of KEYS) {
      const values = [...new Set(items.flatMap((item) => partsOf(item.row, key)))].filter(Boolean).sort();
      if (values.length < 2) continue;
      const select = element("select");
      select.append(new Option("any", ""), ...values.map((value) => new Option(value, value)));
      this.selects.set(key, select);
      form.append(element("label", {}, NAMES[key], select));
    }
    form.append(element("label", { class: "flag" }, this.critical, "critical only"), this.output);
    form.addEventListener("submit", (event) => event.preventDefault());
    let timer = 0;
    form.addEventListener("input", () => {
      clearTimeout(timer);
      timer = window.setTimeout(() => changed(this.read()), WAIT_MS);
    });
    const place = byId("filter");
    place.append(form);
    place.hidden = false;
  }

  say(sentence: string): void {
    this.output.textContent = sentence;
  }

  /** Set the controls as the hash has them; what it asks for and nothing is, is left out. */
  show(asked: URLSearchParams): Filter {
    for (const [key, select] of this.selects) {
      select.value = asked.get(key) ?? "";
      if (select.selectedIndex < 0) select.value = "";
    }
    this.critical.checked = asked.has("critical");
    this.text.value = asked.get("text") ?? "";
    return this.read();
  }

  private read(): Filter {
    const filter: Filter = {};
    for (const [key, select] of this.selects) if (select.value) filter[key] = select.value;
    if (this.critical.checked) filter.critical = "yes";
    if (this.text.value.trim()) filter.text = this.text.value.trim();
    return filter;
  }
}
