"""The report's script is what its source gives, and its types hold."""

from tests.browser.chromium import ROOT, node


def test_the_shipped_script_is_what_its_source_gives(tmp_path):
    done = node("driftgate/report/web/build.mjs", tmp_path / "report.js")
    assert done.returncode == 0, done.stderr
    shipped = (ROOT / "driftgate" / "report" / "report.js").read_bytes()
    assert (tmp_path / "report.js").read_bytes() == shipped, "run `make report-script`"


def test_the_scripts_types_hold():
    done = node("node_modules/typescript/bin/tsc", "--project", "driftgate/report/web")
    assert done.returncode == 0, done.stdout


def test_the_script_can_stand_in_a_page_and_names_the_licences_of_what_it_holds():
    text = (ROOT / "driftgate" / "report" / "report.js").read_text()
    for mark in ("</script", "<!--", "\r", "\0"):
        assert mark not in text
    for name in ("@observablehq/plot", "d3-scale", "diff"):
        assert f"\n{name} " in text.partition("*/")[0]
