"""What people write is read whole, or refused with file, line and field."""

import json
import re
from pathlib import Path

import pytest

from driftgate.adapters import files
from driftgate.errors import BadInput
from driftgate.schemas.traces import read_lines
from tests.builders import bank

HEADER = "name: bank\nversion: 1.0.0\nowner: us\nchangelog: x\ntools: {pay: write, find: read}\n"
GOOD = {"case_id": "a", "task_type": "t", "turns": [{"user": "hi"}]}
CONTRACT = """\
tool: pay
version: 1.0.0
effect: write
description: Pay.
input_schema: {type: object}
behaviour: [{answer: {}}]
"""
MANIFEST = """\
agent: teller
version: 1.0.0
model: none
target: {kind: python, function: "agent:answer", code: {include: [agent.py]}}
invocation: {request: {prompt: "{{turn}}"}, response: {final_response: /answer}}
contracts: [contracts/*.yaml]
datasets: {regression: bank@1.0.0}
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "dataset.yaml").write_text(HEADER)
    (tmp_path / "agent.yaml").write_text(MANIFEST)
    (tmp_path / "agent.py").write_text("def answer(payload, context): ...\n")
    (tmp_path / "contracts").mkdir()
    (tmp_path / "contracts" / "pay.yaml").write_text(CONTRACT)
    return tmp_path


def lines(folder, *cases):
    text = "\n".join(c if isinstance(c, str) else json.dumps(c) for c in cases)
    (folder / "cases.jsonl").write_text(text)
    return folder


class TestWriting:
    def test_what_is_written_reads_back_the_same_or_is_not_written(self, tmp_path):
        for text in (
            "Ünïcode — 😀",
            "a: b # c",
            "'",
            "two\nlines\r\n",
            "\x85\u2028",
            "\x07",
            "null",
        ):
            dataset = bank(changelog=text, description=text, owner=text)
            folder = tmp_path / str(len(list(tmp_path.iterdir())))
            files.write_new_dataset(folder, dataset)
            assert files.read_dataset(folder) == dataset

    def test_the_current_folder_is_not_taken_away_from_under_us(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        with pytest.raises(BadInput, match="this is the current one"):
            files.write_new_dataset(Path(), bank())
        assert list(tmp_path.iterdir()) == []

    def test_a_crash_leaves_nothing(self, tmp_path, monkeypatch):
        """The disk is full when the second file is written."""
        real = Path.write_text

        def full(path, *words, **rest):
            if path.name == files.CASES_FILE:
                raise OSError(28, "No space left on device")
            return real(path, *words, **rest)

        monkeypatch.setattr(Path, "write_text", full)
        with pytest.raises(OSError, match="No space"):
            files.write_new_dataset(tmp_path / "copy", bank())
        assert list(tmp_path.iterdir()) == []


class TestDatasets:
    def test_a_folder_is_read_in_the_order_of_ids_and_empty_lines_do_not_matter(self, folder):
        read = files.read_dataset(lines(folder, {**GOOD, "case_id": "b"}, "", GOOD, ""))
        assert [case.case_id for case in read.cases] == ["a", "b"]

    @pytest.mark.parametrize(
        ("bad", "reason"),
        [
            ('{"case_id": "b"', "not a JSON object on one line"),
            ('{"case_id": "b", "case_id": "c"}', "key given twice in one object: case_id"),
            ("[]", "Input should be"),
            ("[" * 5000 + "]" * 5000, "nested deeper than 100 levels"),
            (f'{{"world": {"[" * 200}{"]" * 200}}}', "nested deeper than 100 levels"),
            ({**GOOD, "case_id": "Not An Id"}, "case_id: String should match pattern"),
            ({k: v for k, v in GOOD.items() if k != "turns"}, "turns: required, and not given"),
            ({**GOOD, "turns": []}, "turns: Tuple should have at least 1 item"),
            ({**GOOD, "color": "red"}, "color: there is no such field"),
            (GOOD, "case_id: 'a' is given on line 1 already"),
            (
                {**GOOD, "case_id": "b", "expected_calls": [{"tool": "sell", "effect": "read"}]},
                "expected_calls.0.tool: unknown tool 'sell'; the dataset has find, pay",
            ),
            (
                {**GOOD, "case_id": "b", "expected_calls": [{"tool": "pay", "effect": "read"}]},
                "expected_calls.0.effect: pay is a write in the dataset, got read",
            ),
            (
                {**GOOD, "case_id": "b", "forbidden_calls": [{"tool": "sell"}]},
                "forbidden_calls.0.tool: unknown tool 'sell'",
            ),
            (
                {**GOOD, "case_id": "b", "mocks": [{"tool": "sell", "answers": [{}]}]},
                "mocks.0.tool: unknown tool 'sell'",
            ),
            (
                {
                    **GOOD,
                    "expected_calls": [
                        {
                            "tool": "pay",
                            "effect": "write",
                            "arguments": {"n": {"match": "one_of", "options": []}},
                        }
                    ],
                },
                "expected_calls.0.arguments.n.one_of.options: Tuple should have at least 1 item",
            ),
            (
                {
                    **GOOD,
                    "expected_calls": [{"tool": "pay", "effect": "write", "arguments": {"n": 1}}],
                    "forbidden_calls": [{"tool": "pay"}],
                },
                "expected_calls.0: forbidden_calls has the same call",
            ),
            (
                {**GOOD, "expected_calls": [{"tool": "pay", "effect": "write", "after": ["x"]}]},
                "expected_calls.0.after: no expected call has the id 'x'",
            ),
            (
                {**GOOD, "expected_calls": [{"tool": "pay", "effect": "write", "turn": 2}]},
                "expected_calls.0.turn: turn 2 of 1",
            ),
            (
                {
                    **GOOD,
                    "expected_calls": [
                        {"tool": "pay", "effect": "write", "id": "x", "after": ["y"]},
                        {"tool": "pay", "effect": "write", "id": "y", "after": ["x"]},
                    ],
                },
                "`after` goes in a circle: x, y",
            ),
            (
                {
                    **GOOD,
                    "turns": [
                        {"user": "x", "expected_outputs": [{"match": "regex", "pattern": "("}]}
                    ],
                },
                "turns.0.expected_outputs.0.regex.pattern: not a regular expression",
            ),
        ],
    )
    def test_a_bad_line_is_named_with_file_line_and_field(self, folder, bad, reason):
        with pytest.raises(BadInput) as refused:
            files.read_dataset(lines(folder, GOOD, bad))
        message = str(refused.value)
        assert message.startswith(f"{folder / 'cases.jsonl'}:2: ")
        assert reason in message
        assert "\n" not in message

    def test_every_bad_line_is_named_at_once(self, folder):
        with pytest.raises(BadInput) as refused:
            files.read_dataset(lines(folder, "{", GOOD, "{"))
        assert [line.split(": ")[0][-2:] for line in str(refused.value).splitlines()] == [
            ":1",
            ":3",
        ]

    def test_a_dataset_without_cases_is_refused(self, folder):
        with pytest.raises(BadInput, match="wanted at least one case"):
            files.read_dataset(lines(folder, ""))

    def test_a_header_is_read_as_strictly(self, folder):
        (folder / "dataset.yaml").write_text(HEADER.replace("1.0.0", "1"))
        with pytest.raises(BadInput, match=r"dataset.yaml:2: version: .* got 1"):
            files.read_dataset(lines(folder, GOOD))

    def test_what_is_written_reads_back_the_same(self, folder, tmp_path):
        read = files.read_dataset(lines(folder, GOOD, {**GOOD, "case_id": "ü".encode().hex()}))
        files.write_dataset(tmp_path / "copy", read.header, read.cases)
        assert files.read_dataset(tmp_path / "copy").sha256 == read.sha256


class TestAgents:
    def test_equal_files_have_an_equal_digest_wherever_they_lie(self, folder, tmp_path_factory):
        elsewhere = tmp_path_factory.mktemp("elsewhere") / "copy"
        folder.rename(elsewhere)
        (elsewhere / "agent.py").touch()
        first, _ = files.read_agent(elsewhere)
        elsewhere.rename(folder)
        assert files.read_agent(folder / "agent.yaml")[0].digest == first.digest

    def test_changed_code_changes_the_digest(self, folder):
        before, _ = files.read_agent(folder)
        (folder / "agent.py").write_text("def answer(payload, context): return 1\n")
        assert files.read_agent(folder)[0].digest != before.digest

    def test_stored_code_is_laid_out_again(self, folder, tmp_path):
        _, code = files.read_agent(folder)
        files.unpack(code, tmp_path / "out")
        assert (tmp_path / "out" / "agent.py").read_text() == (folder / "agent.py").read_text()

    def test_a_program_among_the_stored_code_can_still_be_run(self, folder, tmp_path):
        (folder / "agent.py").chmod(0o755)
        _, code = files.read_agent(folder)
        files.unpack(code, tmp_path / "out")
        assert (tmp_path / "out" / "agent.py").stat().st_mode & 0o777 == 0o755

    @pytest.mark.parametrize(
        ("old", "new", "reason"),
        [
            ("model: none\n", "", r"agent.yaml:1: model: required, and not given"),
            (
                "bank@1.0.0",
                "bank@latest",
                r"agent.yaml:7: datasets.regression: wanted name@version",
            ),
            (
                "{{turn}}",
                "{{question}}",
                r"invocation.request: there is turn, turn_number, session_id, seed, tools_url",
            ),
            ("{{turn}}", "hello", r"invocation.request: wanted \{\{turn\}\} somewhere"),
            ("contracts/*", "contracts/no*", r"agent.yaml: contracts: no file matches"),
            ("[agent.py]", "[other.py]", r"agent.yaml: target.code.include: no file matches"),
            ("kind: python", "kind: pythn", r"agent.yaml:4: target: .* 'pythn'"),
            (
                "invocation:",
                "invokation:",
                r"agent.yaml:5: invokation: there is no such field, and inv",
            ),
            ("agent: teller", "agent: [", r"agent.yaml:3: not YAML"),
            ("/answer", "answer", r"agent.yaml:5: invocation.response.final_response.pointer"),
            ("model: none", "model: 2026-13-45", r"agent.yaml:3: not YAML: '2026-13-45': month"),
            ("model: none", "model: !!int x", r"agent.yaml:3: not YAML: 'x': invalid literal"),
            ("model: none", "model: !!timestamp x", r"agent.yaml:3: not YAML: 'x': .*quotes"),
            ("model: none", "model: a\x07b", r"agent.yaml:3: not YAML: '\\x07': special char"),
            (
                "model: none",
                "model: none\nmodel: x",
                r"agent.yaml:4: not YAML: key given twice: mod",
            ),
            ("model: none", "model: " + "[" * 5000, r"agent.yaml:3: not YAML: nested deeper than"),
            (
                "agent: teller",
                "agent: &a teller\ndescription: *a",
                r"agent.yaml:2: .*an alias; writ",
            ),
            (
                "[contracts/*.yaml]",
                "[/abs/*.yaml]",
                r"agent.yaml:6: contracts: wanted patterns rel",
            ),
            (
                "[agent.py]",
                "['/**']",
                r"agent.yaml:4: target.code.include: wanted patterns relativ",
            ),
            (
                "{{turn}}",
                "{{turn}} {{prömpt}}",
                r"agent.yaml:5: invocation.request: there is .* tools_url and model, no 'prömpt'",
            ),
            (
                "agent.py]}",
                "agent.py]}, environment: {A: '{{prot}}'}",
                r"agent.yaml:4: target.python.environment.A: there is port, tools_url and model",
            ),
        ],
    )
    def test_a_bad_manifest_is_named_with_file_and_field(self, folder, old, new, reason):
        path = folder / "agent.yaml"
        path.write_text(path.read_text().replace(old, new))
        with pytest.raises(BadInput, match=reason):
            files.read_agent(path)

    @pytest.mark.parametrize(
        ("old", "new", "reason"),
        [
            ("{type: object}", "{type: array}", "input_schema.type: must be `object`"),
            ("{type: object}", "{type: object, oneOf: []}", "keyword 'oneOf' is not supported"),
            ("{answer: {}}", "{find: a, let: b, otherwise: {error: X}}", "the last step must be"),
            (
                "{answer: {}}",
                "{answer: '{args.n}'}",
                "{args.n}: the input schema has no such argum",
            ),
            (
                "{answer: {}}",
                "{answer: '{account.n}'}",
                "{account.n}: nothing is bound to 'account'",
            ),
            (
                "{answer: {}}",
                "{answer: '{call|cents}'}",
                "no filter 'cents'; there are minor, major",
            ),
            (
                "[{answer: {}}]",
                "[{require: '{call}', otherwise: {error: X}}, {answer: {}}]",
                "behaviour.0.require: wanted equals, differs_from, at_least or at_most",
            ),
            ("{answer: {}}", "{reply: {}}", "a step has one of find, select"),
            ("effect: write", "effect: maybe", "effect: Input should be 'read' or 'write'"),
            (
                "{type: object}",
                "{type: object, required: account_id}",
                "pay.yaml:5: input_schema.required: wanted a list of names, got 'account_id'",
            ),
            (
                "{type: object}",
                "\n  type: object\n  properties:\n    x: true",
                "pay.yaml:8: input_schema.properties.x: wanted a schema, an object; got True",
            ),
            (
                "[{answer: {}}]",
                "\n- find: a\n  let: b\n  otherwise:\n    error: X\n"
                "    message: {detail: gone}\n- answer: {}",
                "pay.yaml:11: behaviour.0.find.otherwise.message: Input should be a valid string",
            ),
        ],
    )
    def test_a_bad_contract_is_named_with_file_and_field(self, folder, old, new, reason):
        path = folder / "contracts" / "pay.yaml"
        path.write_text(CONTRACT.replace(old, new))
        with pytest.raises(BadInput) as refused:
            files.read_agent(folder)
        assert re.match(rf"{path}:\d+: ", str(refused.value))
        assert reason in str(refused.value)

    def test_two_contracts_for_one_tool_are_refused(self, folder):
        (folder / "contracts" / "again.yaml").write_text(CONTRACT)
        with pytest.raises(BadInput, match="two contracts for the tool 'pay'"):
            files.read_agent(folder)

    @pytest.mark.parametrize(
        ("target", "reason"),
        [
            ("url: 'http://x', command: [x]", "target.http: give either `command` or `url`"),
            ("code: {include: [agent.py]}", "target.http: give either `command` or `url`"),
            ("command: [x]", "target.http: `command` needs `code`"),
            (
                "command: [x, '{{prot}}'], code: {include: [agent.py]}",
                "target.http.command.1: there is port, tools_url and model, no",
            ),
        ],
    )
    def test_a_target_needs_one_way_to_be_reached(self, folder, target, reason):
        path = folder / "agent.yaml"
        http = f"target: {{kind: http, {target}}}"
        text = path.read_text().splitlines()
        path.write_text("\n".join(http if line.startswith("target") else line for line in text))
        with pytest.raises(BadInput, match=f"agent.yaml:4: {reason}"):
            files.read_agent(path)

    def test_a_bad_line_of_recorded_traces_is_named(self, folder):
        (folder / "t.jsonl").write_text('{"case_id": "a"}\n{"case_id": 5}\n')
        with pytest.raises(BadInput, match=r"t.jsonl:2: case_id: Input should be a valid string"):
            files.read_traces(folder / "t.jsonl")

    def test_a_text_in_recorded_traces_may_hold_any_mark_and_an_empty_line_does_not_matter(
        self, folder
    ):
        says = '{"case_id": "a", "messages": [{"role": "assistant", "text": "x\u2028y\x85z"}]}'
        (folder / "t.jsonl").write_text(f'{says}\n\n{{"case_id": "b"}}\n')
        read = read_lines(files.read_traces(folder / "t.jsonl"))
        assert [(trace.case_id, trace.reply()) for trace in read] == [
            ("a", "x\u2028y\x85z"),
            ("b", ""),
        ]

    def test_a_trial_that_is_recorded_twice_is_refused_with_both_lines(self, folder):
        (folder / "t.jsonl").write_text('{"case_id": "a"}\n{"case_id": "a", "trial": 2}\n' * 2)
        with pytest.raises(BadInput, match=r"t.jsonl:3: trial 1 of 'a' is given on line 1 already"):
            files.read_traces(folder / "t.jsonl")
