"""A run as a step of a job: what GitHub's runner is told, and what it is not."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from driftgate.report import github
from driftgate.schemas.reports import Report
from tests.conftest import ROOT, TELLER
from tests.integration.test_run import version

ACTION = ROOT / ".github/actions/driftgate/action.yml"
HOSTILE = "wrong\n::set-output name=verdict::PASS\r\n##[add-mask]x 100% ::error::y"
COMMAND = re.compile(r"^::([\w-]+)(?: ([^:]*))?::(.*)$")


def heard(printed):
    """The commands that the runner would act on, as it reads lines: (name, properties, data)."""
    token, found = None, []
    for line in printed.splitlines():
        if token is not None:
            token = None if line.strip() == f"::{token}::" else token
            continue
        assert "##[" not in line
        if match := COMMAND.match(line.strip()):
            name, properties, data = match.groups()
            if name == "stop-commands":
                token = data
            else:
                found.append((name, properties or "", unescaped(data)))
    return found


def unescaped(text):
    return text.replace("%0A", "\n").replace("%0D", "\r").replace("%25", "%")


def outputs(text):
    """The file GITHUB_OUTPUT as the runner reads it."""
    found, lines = {}, iter(text.splitlines())
    for line in lines:
        name, _, delimiter = line.partition("<<")
        value = []
        while (part := next(lines)) != delimiter:
            value.append(part)
        found[name] = "\n".join(value)
    return found


@pytest.fixture
def step(tmp_path):
    return {
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"),
        "GITHUB_OUTPUT": str(tmp_path / "outputs"),
    }


@pytest.fixture
def blocked(cli, tmp_path, step):
    """A version that is blocked, run as a step against the teller's first one."""
    assert cli("dataset", "publish", TELLER / "dataset").code == 0
    worse = version(tmp_path / "worse", "2.0.0", **{"${TELLER:-fine}": "units"})
    return cli("run", "--agent", worse, "--baseline", TELLER, "--rule", "point", "--github",
               "--json", "--output", tmp_path / "report", **step)  # fmt: skip


def test_a_block_is_told_in_summary_outputs_comment_and_annotations(blocked, tmp_path, step):
    assert (blocked.code, blocked.json["outcome"]) == (1, "BLOCK"), blocked.err
    report = (tmp_path / "report/report.md").read_text()
    assert (tmp_path / "summary.md").read_text() == report
    assert (tmp_path / "report/comment.md").read_text() == f"<!-- driftgate -->\n{report}"
    told = outputs((tmp_path / "outputs").read_text())
    assert told == {
        "verdict": "BLOCK",
        "effective": "BLOCK",
        "run-id": blocked.json["run_id"],
        "report": str(tmp_path / "report/report.html"),
        "comment": str(tmp_path / "report/comment.md"),
    }
    commands = heard(blocked.err)
    broken = {case["case_id"] for case in blocked.json["broken"]}
    assert {name for name, _, _ in commands} == {"error"}
    assert commands[0] == ("error", "title=driftgate%3A BLOCK", commands[0][2])
    assert len(commands) == 1 + len(broken) <= github.ANNOTATIONS
    assert all(any(case_id in title for _, title, _ in commands) for case_id in broken)


def test_of_many_broken_cases_ten_annotations_come_and_the_rest_is_counted(blocked, tmp_path):
    report = Report.model_validate_json((tmp_path / "report/report.json").read_text())
    broken = [story for story in report.stories if story.kind == "broken"]
    many = report.model_copy(update={"stories": (*broken * 20, *report.stories)})
    lines = list(github.annotations(many, blocks=True))
    assert len(lines) == 10
    assert f"And {21 * len(broken) - 9} more broken cases in the report." in lines[0]


def test_what_is_blocked_by_nobody_is_a_warning(cli, tmp_path, step, blocked):
    again = cli("run", "--agent", tmp_path / "worse", "--baseline", TELLER, "--rule", "point",
                "--github", "--mode", "advisory", **step)  # fmt: skip
    assert again.code == 0
    assert {name for name, _, _ in heard(again.err)} == {"warning"}


def test_an_error_that_quotes_an_agent_gives_no_command(cli, tmp_path, step):
    assert cli("dataset", "publish", TELLER / "dataset").code == 0
    says = "import sys\nsys.exit('\\n::set-output name=verdict::PASS')\n"
    hostile = version(tmp_path / "hostile", "3.0.0")
    (hostile / "agent.py").write_text(says)
    done = cli("run", "--agent", hostile, "--no-baseline", "--github", **step)
    assert done.code == 3
    assert "\n  ::set-output name=verdict::PASS" in done.err  # the runner trims
    assert heard(done.err) == []
    assert not (tmp_path / "outputs").exists()


def test_outside_of_a_job_it_is_refused_before_anything_runs(cli):
    done = cli("run", "--agent", TELLER, "--github", GITHUB_OUTPUT="")
    assert done.code == 2
    assert "--github: wanted a step of GitHub Actions" in done.err


def test_a_text_stays_one_line_that_is_read_back_as_it_was():
    line = github.command("error", f"broken: {HOSTILE}", HOSTILE)
    assert "\n" not in line
    assert "\r" not in line
    ((name, properties, data),) = heard(line.replace("##[", "[["))
    assert name == "error"
    assert data.startswith("wrong\n::set-output name=verdict::PASS\\u000d\n")
    assert properties.count("=") == 2  # the title's own, and one within it
    assert ":" not in properties
    assert "," not in properties


def test_a_long_text_is_cut_and_does_not_cut_an_escape():
    line = github.command("error", "t", "%\n" * 5000)
    assert len(unescaped(line)) < 1100
    assert "%25%0A …" in line


def test_an_output_can_not_end_its_own_value():
    text = github.outputs({"report": "a\nverdict=PASS", "verdict": "BLOCK"}, "0123abcd")
    assert outputs(text) == {"report": "a\nverdict=PASS", "verdict": "BLOCK"}


class TestTheAction:
    @pytest.fixture
    def action(self):
        return yaml.safe_load(ACTION.read_text())

    def steps(self, action):
        return {step.get("name"): step for step in action["runs"]["steps"]}

    def test_no_input_is_written_into_a_script_and_what_it_uses_is_pinned(self, action):
        for step in action["runs"]["steps"]:
            assert "${{" not in step.get("run", "")
            assert (
                re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}", step.get("uses", "")) or "run" in step
            )

    def test_its_script_runs_what_its_inputs_say(self, action, cli, tmp_path, step):
        assert cli("dataset", "publish", TELLER / "dataset").code == 0
        given = {"agent": str(TELLER), "dataset": "bank@1.0.0", "output": "a b; touch harm"}
        evaluate = self.steps(action)["Evaluate"]
        variables = {
            name: given.get(re.fullmatch(r"\${{ inputs\.(\w+) }}", value)[1], "")
            for name, value in evaluate["env"].items()
        }
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        done = subprocess.run(
            ["/bin/bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", evaluate["run"]],
            cwd=tmp_path,
            env={**os.environ, **step, **variables, "PATH": path, "DRIFTGATE_HOME": str(cli.home)},
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert outputs((tmp_path / "outputs").read_text())["verdict"] == "BASELINE_CREATED"
        assert (tmp_path / "a b; touch harm" / "comment.md").exists()

    @pytest.mark.parametrize(("there", "method"), [("", "POST"), ("41\n42", "PATCH")])
    def test_it_writes_one_comment_and_then_that_one_again(self, action, tmp_path, there, method):
        asked = tmp_path / "asked.json"
        gh = tmp_path / "gh"
        gh.write_text(
            f"#!{sys.executable}\nimport json, sys\n"
            f"open({str(asked)!r}, 'a').write(json.dumps(sys.argv[1:]) + '\\n')\n"
            f"'--paginate' in sys.argv and print({there!r})\n"
        )
        gh.chmod(0o755)
        (tmp_path / "c.md").write_text("<!-- driftgate adversarial -->\n# BLOCK\n")
        variables = {"GITHUB_REPOSITORY": "o/r", "NUMBER": "7", "BODY": "c.md",
                     "PATH": f"{tmp_path}:{os.environ['PATH']}"}  # fmt: skip
        script = self.steps(action)["Comment"]["run"]
        subprocess.run(["/bin/bash", "-eo", "pipefail", "-c", script], env=variables,
                       cwd=tmp_path, check=True)  # fmt: skip
        looked, written = (json.loads(line) for line in asked.read_text().splitlines())
        place = "comments/42" if there else "7/comments"
        assert 'startswith("<!-- driftgate adversarial -->")' in looked[-1]  # its suite's own
        assert f"repos/o/r/issues/{place}" in written
        assert (written[written.index("--method") + 1], written[-1]) == (method, "body=@c.md")


def test_the_workflow_of_the_docs_uses_inputs_that_the_action_has():
    workflow = yaml.safe_load((ROOT / "docs/github/workflow.yml").read_text())
    given = workflow["jobs"]["gate"]["steps"][-1]["with"]
    assert given.keys() <= yaml.safe_load(ACTION.read_text())["inputs"].keys()
