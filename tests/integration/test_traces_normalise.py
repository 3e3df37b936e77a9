"""`driftgate traces normalise`: files of span records in, sessions out."""

import json

from driftgate.schemas.sessions import Normalised
from tests.spans import shapes
from tests.spans.records import span


def written(path, records):
    path.write_text(json.dumps(records))
    return path


def test_spans_and_runtime_logs_of_one_session_are_joined(cli, tmp_path):
    records = shapes.strands_legacy(in_parts=True)
    spans = written(tmp_path / "spans.json", [r for r in records if "body" not in r])
    logs = written(tmp_path / "logs.json", [r for r in records if "body" in r])

    done = cli("traces", "normalise", spans, logs, "--json")

    found = Normalised.model_validate_json(done.out)
    assert done.code == 0
    (session,) = found.sessions
    assert [call.tool for call in session.trace.calls] == ["find_book", "reserve_book"]
    assert [message.text for message in session.trace.messages] == [shapes.ASKED, shapes.REPLY]


def test_people_read_a_table_and_what_could_not_be_read(cli, tmp_path):
    strange = span("f0", scope="acme", name="think", at=0, attributes={"acme.tool": "x"})
    asking = shapes.with_parts("my-app", shapes.in_attributes)[:2]
    file = written(tmp_path / "spans.json", [*asking, strange])

    done = cli("traces", "normalise", file)

    assert done.code == 0
    assert done.out == ""
    assert "session-1" in done.err
    assert "nothing tells that it was called" in done.err
    assert "unknown: 1 span 'think' of acme (acme.tool, session.id)" in done.err
    assert "3 records, 0 duplicates" in done.err


def test_files_in_which_no_agent_is_found_are_bad_input(cli, tmp_path):
    file = written(tmp_path / "other.json", [{"level": "INFO", "message": "started"}])

    done = cli("traces", "normalise", file, "--json")
    absent = cli("traces", "normalise", tmp_path / "absent.json")

    assert done.code == absent.code == 2
    assert "wanted spans of an agent, found none that can be read" in done.err
    assert "absent.json: can't read it: No such file" in absent.err
