/** Charts, drawn again when their width changes. Colours are the page's, so themes and print hold. */
import { axisX, axisY, boxX, dot, gridX, plot, ruleX, ruleY, text, tickX } from "@observablehq/plot";
import type { Markish } from "@observablehq/plot";
import { byId, element } from "./data";
import type { Arm, Compared, PageData } from "./data";

const ALL = "all cases";
const MINUS = "\u2212";

export function startCharts(data: PageData): void {
  const paired = data.compared.some((row) => row.difference !== null);
  const draw = paired ? differences : means;
  const overall = data.compared.filter((row) => row.stratum === ALL);
  const parts = data.compared.filter((row) => row.stratum !== ALL);
  chart("chart-metrics", "All cases, by metric", overall, (row) => row.metric, draw);
  const primary = parts[0]?.metric ?? "";
  chart("chart-parts", `${primary} by part of the dataset`, parts, (row) => row.stratum, draw);
  for (const figure of document.querySelectorAll<HTMLElement>("figure[data-measure]")) {
    const found = data.measures[figure.dataset["measure"] ?? ""] ?? {};
    const values = (["baseline", "candidate"] as Arm[]).flatMap((arm) =>
      (found[arm]?.values ?? []).map((value) => ({ arm, value })),
    );
    if (values.length) redrawn(figure, (width) => boxes(values, width));
  }
}

type Drawer = (rows: Named[], width: number) => Element;
type Named = Compared & { name: string };

function chart(
  id: string,
  title: string,
  rows: Compared[],
  name: (row: Compared) => string,
  draw: Drawer,
): void {
  const named = rows
    .filter((row) => row.candidate !== null)
    .map((row) => ({ ...row, name: `${name(row)} (${row.cases})` }));
  if (!named.length) return;
  named.sort((a, b) => (a.difference ?? a.candidate ?? 0) - (b.difference ?? b.candidate ?? 0));
  const figure = byId(id);
  figure.append(element("figcaption", {}, element("h3", {}, title)));
  redrawn(figure, (width) => labelled(draw(named, width), `${title}. The table below has the same.`));
}

function differences(rows: Named[], width: number): Element {
  const ends = rows.flatMap((r) => (r.difference_interval ? [r.difference_interval] : []));
  const low = Math.min(-0.1, ...ends.map((end) => end.low));
  const high = Math.max(0.1, ...ends.map((end) => end.high));
  const shown = rows.filter((row) => row.difference_interval !== null);
  const worse = shown.filter((row) => row.difference_interval!.high < 0);
  const better = shown.filter((row) => row.difference_interval!.low > 0);
  const open = shown.filter((row) => !worse.includes(row) && !better.includes(row));
  const at = { x: "difference", y: "name" } as const;
  const marks: Markish[] = [ruleX([0], { stroke: "currentColor" })];
  const parts = [
    { rows: worse, colour: "var(--bad)", symbol: { symbol: "triangle", rotate: 180, fill: "var(--bad)" } },
    { rows: better, colour: "var(--good)", symbol: { symbol: "triangle", fill: "var(--good)" } },
    { rows: open, colour: "var(--other)", symbol: { symbol: "circle", fill: "var(--page)" } },
  ] as const;
  for (const part of parts) {
    const interval = { y: "name", stroke: part.colour, strokeWidth: 2 };
    marks.push(
      ruleY(part.rows, {
        ...interval,
        x1: (r: Named) => r.difference_interval!.low,
        x2: (r: Named) => r.difference_interval!.high,
      }),
      dot(part.rows, { ...at, ...part.symbol, className: "point", r: 4.5, stroke: part.colour, strokeWidth: 2 }),
    );
  }
  return forest(rows, width, [low, high], marks, "difference, points", (d) => signed(d), (row) =>
    `${percent(row.baseline)} to ${percent(row.candidate)}`,
  );
}

function means(rows: Named[], width: number): Element {
  const marks = [
    ruleY(rows, {
      y: "name",
      x1: (r: Named) => r.candidate_interval!.low,
      x2: (r: Named) => r.candidate_interval!.high,
      stroke: "var(--arm)",
      strokeWidth: 2,
    }),
    dot(rows, { x: "candidate", y: "name", className: "point", fill: "var(--arm)", r: 4.5 }),
  ];
  return forest(rows, width, [0, 1], marks, "candidate, percent", (d) => `${Math.round(100 * d)}`, (row) =>
    percent(row.candidate),
  );
}

function forest(
  rows: Named[],
  width: number,
  domain: [number, number],
  marks: Markish[],
  label: string,
  tickFormat: (value: number) => string,
  beside: (row: Named) => string,
): Element {
  const roomy = width >= 620;
  const left = Math.min(230, Math.round(width * 0.45));
  const right = roomy ? 140 : 16;
  const values = text(rows, { y: "name", text: beside, frameAnchor: "right", textAnchor: "start", dx: 20 });
  return plot({
    width,
    height: 24 * rows.length + 44,
    marginLeft: left,
    marginRight: right,
    marginBottom: 40,
    marginTop: 4,
    style: { fontSize: "13px", fontFamily: "inherit", background: "none" },
    x: { domain, nice: true, label: null },
    y: { domain: rows.map((row) => row.name), label: null, padding: 0.3 },
    marks: [
      gridX({ ticks: roomy ? 8 : 4, stroke: "currentColor", strokeOpacity: 0.12 }),
      axisX({ ticks: roomy ? 8 : 4, tickFormat, label, labelAnchor: "center", labelArrow: "none", tickSize: 0, fontSize: 12 }),
      axisY({ tickSize: 0, lineWidth: left / 13 - 0.6, textOverflow: "ellipsis", fontSize: 13 }),
      ...marks,
      ...(roomy ? [values] : []),
    ],
  });
}

function boxes(values: { arm: Arm; value: number }[], width: number): Element {
  const arms = [...new Set(values.map((row) => row.arm))];
  const most = Math.max(...values.map((row) => row.value));
  const colour = (arm: Arm) => (arm === "candidate" ? "var(--arm)" : "var(--other)");
  return labelled(
    plot({
      width,
      height: 34 * arms.length + 30,
      marginLeft: 72,
      marginRight: 14,
      marginBottom: 26,
      marginTop: 4,
      style: { fontSize: "12px", fontFamily: "inherit", background: "none" },
      x: { domain: [0, most || 1], label: null },
      y: { domain: arms, label: null, padding: 0.35 },
      marks: [
        gridX({ ticks: 4, stroke: "currentColor", strokeOpacity: 0.12 }),
        axisX({ ticks: 4, tickSize: 0, label: null, fontSize: 12 }),
        axisY({ tickSize: 0, fontSize: 12 }),
        ...arms.map((arm) =>
          boxX(
            values.filter((row) => row.arm === arm),
            { x: "value", y: "arm", fill: colour(arm), fillOpacity: 0.35, stroke: colour(arm), strokeWidth: 1.5, r: 2 },
          ),
        ),
        tickX([0], { stroke: "none" }),
      ],
    }),
    "Distribution over trials by arm. The table below has the figures.",
  );
}

/** A drawing that a screen reader names and does not read out. */
function labelled(drawing: Element, name: string): Element {
  drawing.setAttribute("role", "img");
  drawing.setAttribute("aria-label", name);
  drawing.querySelector("style")?.remove(); // the page's policy lets in its own style alone
  for (const part of drawing.querySelectorAll("[aria-label]")) part.removeAttribute("aria-label");
  return drawing;
}

function redrawn(figure: HTMLElement, draw: (width: number) => Element): void {
  const place = element("div");
  figure.append(place);
  let before = 0;
  const observer = new ResizeObserver(([entry]) => {
    const width = Math.round(entry?.contentRect.width ?? 0);
    if (!width || width === before) return;
    before = width;
    place.replaceChildren(draw(width));
  });
  observer.observe(place);
}

function percent(share: number | null): string {
  return share === null ? "–" : `${(100 * share).toFixed(1)}%`;
}

function signed(share: number): string {
  const points = Math.round(100 * share);
  return points > 0 ? `+${points}` : `${points}`.replace("-", MINUS);
}
