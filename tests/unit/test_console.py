"""What people are told while they wait."""

import pytest

from driftgate.cli import console


def told(capsys, steps):
    with console.progress("evaluating") as update:
        for done, total in steps:
            update(done, total)
    return capsys.readouterr().err.splitlines()


def test_a_log_gets_a_line_every_quarter(capsys, monkeypatch):
    monkeypatch.setattr(console, "people", console.Console(stderr=True, force_terminal=False))
    steps = [(done, 8) for done in range(9)]
    assert told(capsys, steps) == [f"evaluating: {done} of 8" for done in (2, 4, 6, 8)]


def test_a_quarter_that_was_jumped_over_is_told_at_the_next_look(capsys, monkeypatch):
    monkeypatch.setattr(console, "people", console.Console(stderr=True, force_terminal=False))
    steps = [(0, 40), (9, 40), (13, 40), (35, 40), (40, 40)]
    assert told(capsys, steps) == [f"evaluating: {done} of 40" for done in (13, 35, 40)]


@pytest.mark.parametrize("variable", [{"CI": "true"}, {"TERM": "dumb"}])
def test_a_terminal_that_is_a_log_gets_lines_and_no_bar(capsys, monkeypatch, variable):
    for name, value in variable.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(console, "people", console.Console(stderr=True, force_terminal=True))
    assert told(capsys, [(4, 8), (8, 8)]) == ["evaluating: 4 of 8", "evaluating: 8 of 8"]


ROWS = [("drop of task_success over all cases", 3, "100.0%", "FAILS"), ("floor", 1, None, "holds")]


def shown(capsys, monkeypatch, width):
    monkeypatch.setattr(console, "people", console.Console(stderr=True, width=width))
    console.table(("threshold", "cases", "candidate", ""), ROWS)
    return [line.rstrip() for line in capsys.readouterr().err.splitlines()]


def test_in_a_narrow_table_only_the_widest_column_is_wrapped(capsys, monkeypatch):
    assert shown(capsys, monkeypatch, 50) == [
        "threshold                  cases  candidate",
        "drop of task_success over  3      100.0%     FAILS",
        "all cases",
        "floor                      1                 holds",
    ]


def test_where_no_table_fits_each_row_is_a_sentence(capsys, monkeypatch):
    assert shown(capsys, monkeypatch, 40) == [
        "drop of task_success over all cases",
        "  cases 3, candidate 100.0%, FAILS",
        "floor",
        "  cases 1, holds",
    ]


@pytest.mark.parametrize(("colours", "wanted"), [("truecolor", "\x1b[1;31mBLOCK"), (None, "BLOCK")])
def test_the_outcome_stands_out_by_more_than_colour(capsys, monkeypatch, colours, wanted):
    people = console.Console(
        stderr=True, width=40, force_terminal=colours is not None, color_system=colours
    )
    monkeypatch.setattr(console, "people", people)
    console.say("BLOCK: [red]it[/red] \x1b[2J fell", bold="bold red")
    said = capsys.readouterr().err
    assert said.startswith(wanted)
    assert ": [red]it[/red] \\u001b[2J fell" in said
