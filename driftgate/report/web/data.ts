/** What the page holds: see driftgate/report/payload.py, which writes it. */

export type Interval = { low: number; high: number };
export type Arm = "baseline" | "candidate";

export type Compared = {
  metric: string;
  stratum: string;
  cases: number;
  baseline: number | null;
  candidate: number | null;
  difference: number | null;
  candidate_interval: Interval | null;
  difference_interval: Interval | null;
};

export type CaseRow = {
  case_id: string;
  kind: string;
  task_type: string;
  difficulty: string;
  critical: boolean;
  locale: string;
  tools: string[];
};

export type PageData = {
  compared: Compared[];
  cases: CaseRow[];
  measures: Record<string, Partial<Record<Arm, { values: number[] }>>>;
};

/** path, JSON text, characters that were cut off, whether the other side has another value */
export type Value = [string, string, number, boolean];
export type Said = { text: string; cut: number };
export type Called = { tool: string; arguments: Values; result: Values; failed: boolean };
export type Values = { values: Value[]; more: number };
export type Row = {
  kind: "user" | "call" | "reply";
  turn: number;
  mark: "" | "same" | "differs" | "only baseline" | "only candidate";
} & Partial<Record<Arm, Said | Called>>;
export type Traces = { arms: Arm[]; rows: Row[] };

export function readData(): PageData {
  return JSON.parse(byId("data").textContent ?? "");
}

/** The traces of a case, or null if the page has no room for them. */
export function readTraces(story: Element): Traces | null {
  const block = story.querySelector('script[type="application/json"]');
  return block && JSON.parse(block.textContent ?? "");
}

export function byId(id: string): HTMLElement {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no #${id}`);
  return found;
}

/** An element with text or elements in it. Text is text: nothing here parses HTML. */
export function element<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  attributes: Record<string, string> = {},
  ...inside: (Node | string)[]
): HTMLElementTagNameMap[Name] {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...inside);
  return made;
}
