"""The report in a real Chromium: what a reader sees, with eyes, a screen reader, keys or paper."""

import json
import re
import subprocess
from itertools import cycle, islice

import pytest
from playwright.sync_api import expect as see

from driftgate.report import html
from driftgate.report.write import write
from driftgate.schemas.reports import Report
from driftgate.schemas.traces import Message, ToolError
from tests.browser import chromium
from tests.builders import call, case, expect, trace
from tests.conftest import ROOT, Cli
from tests.reports import report

AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
VERSIONS = ROOT / "agents" / "support" / "versions"
MANY = 2000
LOOKS = {
    "light": {"color_scheme": "light", "viewport": {"width": 1200, "height": 900}},
    "dark": {"color_scheme": "dark", "viewport": {"width": 1200, "height": 900}},
    "narrow": {"color_scheme": "light", "viewport": {"width": 400, "height": 800}},
}
HOSTILE = (
    "</script><script>window.harmed = 1</script><img src=x onerror='window.harmed=2'>"
    "<svg/onload=window.harmed=3> {{7*7}} ${7*7} \x1b[31mred\x1b[0m \u202egnp.exe\u2066 <!-- "
)


@pytest.fixture(scope="module")
def browser():
    with chromium.browser() as started:
        yield started


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """The report of a run in which the support agent's balances went wrong."""
    place = tmp_path_factory.mktemp("real")
    cli = Cli(place / "home")
    dataset = ROOT / "datasets" / "support"
    cases = [json.loads(line) for line in (dataset / "cases.jsonl").read_text().splitlines()]
    asks = {
        c["case_id"]: "get_account_balance" in json.dumps(c.get("expected_calls")) for c in cases
    }
    balances = [case_id for case_id, balance in asks.items() if balance]
    others = [case_id for case_id, balance in asks.items() if not balance]
    words = [word for case_id in balances[:10] + others[:4] for word in ("--case", case_id)]
    done = cli(
        *("run", "--agent", VERSIONS / "2.0.0.yaml", "--baseline", VERSIONS / "1.0.0.yaml"),
        *("--local", "--dataset", dataset, "--output", place, *words),
    )
    assert done.code == 1, done.err
    return place / "report.html"


@pytest.fixture(scope="module")
def many(real, tmp_path_factory):
    """The same, with each of 2,000 cases broken: its real cases over and over, under other ids."""
    made = Report.model_validate_json(real.with_name("report.json").read_text())
    verdict, ids = made.verdict, [f"case-{number:04}" for number in range(MANY)]
    stories = [
        story.model_copy(update={"outcome": story.outcome.model_copy(update={"case_id": case_id})})
        for case_id, story in zip(ids, cycle(made.stories), strict=False)
    ]
    rows = {row.case_id: row for row in made.cases}
    told = islice(cycle(made.stories), MANY)
    update = {
        "verdict": verdict.model_copy(
            update={"cases": MANY, "broken": tuple(story.outcome for story in stories)}
        ),
        "stories": tuple(stories),
        "cases": tuple(
            rows[story.outcome.case_id].model_copy(update={"case_id": case_id})
            for case_id, story in zip(ids, told, strict=True)
        ),
        "measures": {
            measure: {
                arm: found.model_copy(update={"values": tuple(sorted(found.values * 200))})
                for arm, found in arms.items()
            }
            for measure, arms in made.measures.items()
        },
    }
    path = tmp_path_factory.mktemp("many") / "report.html"
    path.write_text(html.render(made.model_copy(update=update)), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """A report with something to break a page wherever a user, an agent or an author writes."""
    place = tmp_path_factory.mktemp("hostile")
    long = "A" * 1_000_000
    wanted = case(
        expect("pay", "write", args={"note": "x"}),
        forbidden_calls=[{"tool": HOSTILE, "reason": HOSTILE}],
        expected_outputs=["done", HOSTILE],
        turns=[{"user": HOSTILE}],
        locale=HOSTILE,
    )
    paid = call("pay", "write", **{HOSTILE: HOSTILE})
    failed = call(HOSTILE, None, note=long)
    told = trace(
        paid.model_copy(update={"result": {HOSTILE: [HOSTILE]}}),
        failed.model_copy(update={"error": ToolError(kind="fault", message=HOSTILE)}),
        says=f"{HOSTILE} {long}",
    )
    asked = Message(role="user", text=HOSTILE)
    told = told.model_copy(update={"messages": (asked, *told.messages)})
    right = trace(call("pay", "write", note="x"), says=f"done {HOSTILE}")
    write(report(place / "runs", told, baseline=[right], of=wanted), place)
    return place / "report.html"


@pytest.fixture(scope="module")
def attacked(tmp_path_factory):
    """A report of an attack that got through, with something to break a page in what it led to."""
    place = tmp_path_factory.mktemp("attacked")
    wanted = case(
        forbidden_calls=[{"tool": "pay", "reason": HOSTILE}],
        adversarial={
            **{"kind": "indirect_injection", "criterion": "instructions_held"},
            **{"strategy": "<b>memo</b> seed=7", "canaries": [HOSTILE]},
        },
    )
    obeyed = trace(call("pay", "write", note=HOSTILE), says="done")
    write(report(place / "runs", obeyed, baseline=[trace(says="no")], of=wanted), place)
    return place / "report.html"


@pytest.fixture
def open_page(browser):
    """Open a page in a context of its own; at the end, hold that it said and asked for nothing."""
    contexts, noise, asked = [], [], []

    def opened(path, part="", **options):
        context = browser.new_context(**(LOOKS["light"] | options))
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: noise.append(message.text))
        page.on("pageerror", lambda error: noise.append(str(error)))
        page.on("dialog", lambda dialog: noise.append(dialog.message))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"{path.as_uri()}{part}")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert noise == []
    outside = [u for u in asked if not re.match(r"file:///[^?#]*/report\.html|data:,$", u)]
    assert outside == []


def open_first_case(page):
    page.locator("details.story summary").first.click()
    page.locator(".steps").first.wait_for()


@pytest.mark.parametrize(
    ("which", "look"),
    [*(("real", look) for look in LOOKS), ("hostile", "narrow"), ("attacked", "narrow")],
)
def test_axe_finds_nothing_serious_and_the_page_does_not_scroll_sideways(
    open_page, request, which, look
):
    path = request.getfixturevalue(which)
    page = open_page(path, **LOOKS[look])
    open_first_case(page)
    for summary in page.locator("details.table > summary").all():
        summary.click()
    page.locator("figure svg").first.wait_for()
    page.evaluate(AXE.read_text())
    found = page.evaluate("axe.run()")
    serious = [
        (violation["id"], node["html"][:200], node.get("failureSummary"))
        for violation in found["violations"]
        if violation["impact"] in ("serious", "critical")
        for node in violation["nodes"]
    ]
    assert serious == []
    assert len(found["passes"]) > 20
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width == LOOKS[look]["viewport"]["width"]


def test_2000_cases_are_there_within_a_second(open_page, many):
    """The best of three: a busy machine is slow, the page is not."""
    paints = []
    for _ in range(3):
        page = open_page(many)
        paints.append(
            page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
        )
    assert min(paints) < 1000
    assert page.locator("details.story").count() == MANY
    assert (
        page.get_by_role("status").inner_text() == f"{MANY} cases of {MANY} were not always solved"
    )
    page.get_by_label("Search in cases").fill("case-0042")
    page.get_by_text(f"1 of {MANY} cases shown").wait_for()
    assert many.stat().st_size < 20_000_000


def test_hostile_text_runs_nothing_and_is_shown(open_page, hostile):
    page = open_page(hostile)
    open_first_case(page)
    assert page.evaluate("window.harmed") is None
    assert page.evaluate("document.images.length") == 0
    story = page.locator("details.story").inner_text()
    assert "<script>window.harmed = 1</script>" in story
    steps = page.locator(".steps").inner_text()  # as often as a trace has it
    assert (
        steps.count("<script>window.harmed = 1</script><img src=x onerror='window.harmed=2'>") == 9
    )
    assert "{{7*7}} ${7*7}" in story
    assert r"\u001b[31m" in story
    assert r"\u202e" in story
    assert len(story) < 60_000
    page.get_by_role("button", name=re.compile("show 8,500 more characters")).first.click()
    cut = page.get_by_text(re.compile(r"99\d,\d{3} more characters are in report.json")).all()
    assert len(cut) >= 2


def test_what_an_attack_led_to_stays_text_beside_what_the_baseline_did(open_page, attacked):
    page = open_page(attacked)
    assert page.evaluate("window.harmed") is None
    assert page.evaluate("document.images.length") == 0
    section = page.locator("section[aria-labelledby=attacks]")
    groups, through = (table.inner_text() for table in section.locator("tbody").all())
    assert groups.split("\t") == [
        *("indirect injection", "<b>memo</b>", "1", "0", "1", "100.0%", "0.0%"),
    ]
    case_id, kind, baseline, candidate = through.split("\t")
    assert (case_id, kind, baseline) == ("refund", "indirect injection, <b>memo</b>", "held")
    assert candidate.startswith("pay(note=")
    assert "<script>window.harmed = 1</script>" in candidate
    section.get_by_role("link", name="refund").click()
    page.locator("details.story[open] .steps").wait_for()


def test_with_the_keyboard_alone_one_filters_and_opens_a_case(open_page, real):
    page = open_page(real)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the cases"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.type") == "search"
    first = page.locator("details.story").first.get_attribute("data-case")
    page.keyboard.type(first)
    page.get_by_role("status").filter(has_text="shown").wait_for()
    while page.evaluate("document.activeElement.tagName") != "SUMMARY":
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.locator(".steps").first.wait_for()
    opened = page.locator("details.story[open]")
    assert opened.get_attribute("data-case") == first


def test_a_filtered_view_has_an_address_of_its_own(open_page, real):
    made = Report.model_validate_json(real.with_name("report.json").read_text())
    wanted = next(story.outcome.case_id for story in made.stories if story.outcome.critical)
    page = open_page(real)
    shown = "details.story:not([hidden])"
    page.get_by_label("critical only").check()
    page.get_by_label("Search in cases").fill(wanted)
    page.wait_for_url(f"**#critical=yes&text={wanted}")
    said = page.get_by_role("status").inner_text()
    found = page.locator(shown).count()
    assert 0 < found < len(made.stories)
    assert said == f"{found} of {len(made.stories)} cases shown"
    again = open_page(real, f"#critical=yes&text={wanted}")
    assert again.get_by_role("status").inner_text() == said
    assert again.get_by_label("critical only").is_checked()
    assert again.locator(shown).count() == found
    again.get_by_label("critical only").uncheck()
    again.get_by_label("Search in cases").fill("")
    again.wait_for_url(real.as_uri())
    assert again.locator(shown).count() == len(made.stories)
    nothing = open_page(real, "#text=nobody-says-this")
    assert nothing.get_by_role("status").inner_text() == f"0 of {len(made.stories)} cases shown"


def test_a_case_named_in_the_summary_opens_with_what_differs_marked(open_page, real):
    page = open_page(real)
    page.locator(".answers a").first.click()
    opened = page.locator("details.story[open]")
    opened.locator(".steps").wait_for()
    assert opened.locator(".step.differs").count() >= 2
    assert "≠ differs" in opened.inner_text()
    assert opened.locator(".call mark").count() >= 2  # the balance, in either arm
    sides = opened.locator(".step").first.locator(".side").all()
    assert [side.inner_text().split()[0] for side in sides] == ["baseline", "candidate"]


def test_every_chart_is_drawn_and_has_a_table(open_page, real):
    page = open_page(real)
    page.locator("#chart-parts svg").wait_for()
    drawn = {
        figure.get_attribute("id") or figure.get_attribute("data-measure"): figure
        for figure in page.locator("figure").all()
    }
    made = Report.model_validate_json(real.with_name("report.json").read_text())
    for name, figure in drawn.items():
        says = name.startswith("chart") or any(d.values for d in made.measures[name].values())
        assert figure.locator("svg[role=img][aria-label]").count() == int(says), name
    assert page.locator("#chart-parts svg .point > *").count() == len(
        [row for row in made.compared if row.stratum != "all cases"]
    )
    table = page.locator("section:has(#chart-parts) details.table table")
    assert table.locator("tbody tr").count() == len(made.compared)


def test_paper_shows_the_broken_cases_with_their_traces(open_page, real):
    page = open_page(real, color_scheme="dark")
    assert page.locator(".steps").count() == 0
    page.emulate_media(media="print")
    page.locator(".steps").last.wait_for()
    made = Report.model_validate_json(real.with_name("report.json").read_text())
    stories = page.locator("details.story")
    assert stories.count() == len(made.stories)
    assert all(story.locator(".steps").is_visible() for story in stories.all())
    assert page.locator("details.table[open]").count() == 2
    assert not page.locator("#filter").is_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    page.emulate_media(media="screen")
    page.wait_for_function("!document.querySelector('details[open]')")


def test_the_theme_follows_the_system_until_one_is_chosen_and_is_remembered(open_page, real):
    page = open_page(real, color_scheme="dark")
    background = "getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(background) == "rgb(18, 22, 27)"
    page.get_by_label("Theme").select_option("light")
    assert page.evaluate(background) == "rgb(255, 255, 255)"
    page.reload()
    assert page.evaluate(background) == "rgb(255, 255, 255)"
    page.get_by_label("Theme").select_option("as the system")
    assert page.evaluate(background) == "rgb(18, 22, 27)"


def test_without_script_the_page_still_says_what_broke_and_what_was_decided(open_page, real):
    page = open_page(real, java_script_enabled=False)
    made = Report.model_validate_json(real.with_name("report.json").read_text())
    text = page.locator("body").inner_text()
    for outcome in made.verdict.broken:  # what is off the screen is not laid out, and has no text
        summary = page.locator(f'[data-case="{outcome.case_id}"] summary')
        summary.scroll_into_view_if_needed()
        see(summary).to_be_visible()
        see(summary).to_contain_text(outcome.case_id)
        see(summary).to_contain_text(outcome.reason)
    for criterion in made.verdict.criteria:
        assert criterion.wanted in text
    assert not page.locator("#filter").is_visible()


def test_a_machine_without_a_browser_gets_that_of_npm(tmp_path):
    path = chromium.find({"PATH": str(tmp_path)})
    assert path == chromium.UNPACKED / "chromium"
    version = [path, "--version"]
    libraries = {"LD_LIBRARY_PATH": str(chromium.UNPACKED / "al2023" / "lib")}
    said = subprocess.run(version, env=libraries, capture_output=True, text=True, check=True)
    assert said.stdout.startswith(("Chromium ", "Google Chrome ", "HeadlessChrome"))


def test_a_browser_that_is_named_and_not_there_is_said_to_be(tmp_path):
    with pytest.raises(chromium.NoBrowser, match=r"nothing-here is no file"):
        chromium.find({"DRIFTGATE_CHROMIUM": str(tmp_path / "nothing-here")})
