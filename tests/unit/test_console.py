"""What people are told while they wait."""

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
