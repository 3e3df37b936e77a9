"""Two people override a blocked run from the command line, once."""

import pytest

from driftgate.schemas.runs import Verdict
from tests.conftest import TELLER
from tests.integration.test_run import version

RUN = ("run", "--rule", "point", "--json", "--agent")
WHY = ("--reason", "Transfers fail for everybody until this is out", "--ticket", "INC-42")


@pytest.fixture
def blocked(bank, tmp_path):
    """A home in which a version is worse than the baseline; the version and its run's id."""
    worse = version(tmp_path / "worse", "2.0.0", **{"${TELLER:-fine}": "units"})
    done = bank(*RUN, worse, "--baseline", TELLER)
    assert (done.code, "override" in done.json) == (1, False)
    return (*RUN, worse, "--baseline", TELLER), done.json["run_id"]


def test_a_blocked_run_goes_out_once_when_two_people_say_so(bank, blocked):
    words, run = blocked
    asked = bank("gate", "override", run[:8], *WHY, "--json", LOGNAME="alice")
    assert asked.code == 0, asked.err
    override = asked.json["override_id"]
    assert f"driftgate gate approve {override}" in asked.err

    own = bank("gate", "approve", override, LOGNAME="alice")
    assert (own.code, "by the same person, alice" in own.err) == (2, True)
    waits = bank(*words)
    assert (waits.code, "nobody has approved it" in waits.err) == (1, True)
    assert bank("gate", "approve", override, "--hours", "2", LOGNAME="bob").code == 0

    done = bank(*words)
    assert (done.code, done.json["outcome"], done.json["effective"]) == (0, "BLOCK", "OVERRIDDEN")
    assert done.json["override"]["approval"]["approver"] == "bob"
    last = done.err.rstrip().splitlines()[-1]
    assert last.startswith("OVERRIDDEN by alice, approved by bob, until ")
    assert last.endswith(f": {WHY[1]} (INC-42)")
    report = bank.home / "reports" / run
    assert (report / "report.md").read_text().startswith("# ❌ BLOCK (OVERRIDDEN): teller 2.0.0")
    for name in ("report.md", "report.html"):
        assert "OVERRIDDEN by alice, approved by bob" in (report / name).read_text()

    kept = [n for n in bank.files() if n.startswith("records/") and n.endswith("-0.json")]
    assert {Verdict.model_validate_json((bank.home / n).read_text()).effective for n in kept} == {
        "BLOCK"
    }
    assert "BLOCK (OVERRIDDEN)" in bank("runs").err
    assert f"override {override}: OVERRIDDEN by alice" in bank("report", run).err
    assert "OVERRIDDEN by alice, approved by bob" in bank("gate", "explain", run).err
    assert bank("gate", "verify", run).code == 0

    again = bank(*words)
    assert (again.code, again.json["effective"]) == (1, "BLOCK")
    assert f"override {override} is refused: it was used at " in again.err
    (listed,) = bank("gate", "overrides", "--agent", "teller", "--json").json
    assert (listed["state"], listed["approval"]["approver"]) == ("used", "bob")
    assert bank("gate", "overrides", "--agent", "nobody", "--json").json == []


def test_what_can_not_be_asked_for_is_said_with_what_was_wanted(bank, blocked):
    _, run = blocked
    short = bank("gate", "override", run, "--reason", "urgent", "--ticket", "INC-42")
    assert (short.code, "at least 20 characters, got 'urgent'" in short.err) == (2, True)
    part = bank("gate", "override", run, *WHY, "--waive", "tool nothing")
    assert (part.code, "--waive: wanted all that fell, 'all cases'" in part.err) == (2, True)
    nobody = bank("gate", "approve", f"{run}.1")
    assert (nobody.code, f"there is no {run}.1 in laptop" in nobody.err) == (2, True)
