/** The report's script. The page reads well without it; it adds charts, traces and the filter. */
import { startCases } from "./cases";
import { startCharts } from "./charts";
import { readData } from "./data";
import { startTheme } from "./theme";

const data = readData();
startTheme();
startCases(data);
startCharts(data);
