/** Light, dark or what the system says; remembered where the browser lets a page do so. */
import { byId, element } from "./data";

const KEY = "driftgate-report-theme";
const THEMES = { "": "as the system", light: "light", dark: "dark" };

export function startTheme(): void {
  const select = element("select", { "aria-label": "Theme" });
  for (const [value, name] of Object.entries(THEMES)) select.append(new Option(name, value));
  select.value = remembered();
  apply(select.value);
  select.addEventListener("change", () => {
    apply(select.value);
    try {
      localStorage.setItem(KEY, select.value);
    } catch {
      // a page without storage forgets
    }
  });
  const place = byId("theme");
  place.append(element("label", {}, "Theme ", select));
  place.hidden = false;
}

function remembered(): string {
  try {
    const kept = localStorage.getItem(KEY) ?? "";
    return kept in THEMES ? kept : "";
  } catch {
    return "";
  }
}

function apply(theme: string): void {
  if (theme) document.documentElement.dataset["theme"] = theme;
  else delete document.documentElement.dataset["theme"];
}
