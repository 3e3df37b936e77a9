"""`driftgate local` as a stranger uses it."""

import pytest


@pytest.fixture
def cli(cli):
    yield cli
    cli("local", "stop", "--all")


def test_an_instance_is_started_listed_emptied_and_stopped(cli):
    started = cli("local", "start", "--name", "one", "--json")
    assert started.code == 0
    assert "one started in" in started.err
    instance = started.json
    assert instance["endpoint_url"] == f"http://127.0.0.1:{instance['port']}"

    assert "one runs already" in cli("local", "start", "--name", "one").err
    assert cli("local", "status", "--json").json == [instance]
    assert cli("local", "reset", "--name", "one").code == 0
    assert cli("local", "stop", "--name", "one", "--json").json == {"stopped": ["one"]}


def test_stopping_what_does_not_run_is_said(cli):
    done = cli("local", "stop")
    assert (done.code, done.err) == (0, "default was not running\n")


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (("reset",), "no instance default is running: driftgate local start --name default"),
        (("start", "--name", "No Name"), "wanted a name as in 'default', got 'No Name'"),
    ],
)
def test_bad_input_is_exit_2(cli, words, fault):
    done = cli("local", *words)
    assert (done.code, done.out) == (2, "")
    assert fault in done.err


def test_a_start_that_fails_is_exit_3(cli):
    (cli.home / "local").mkdir(parents=True)
    (cli.home / "local" / "one").touch()
    assert cli("local", "start", "--name", "one").code == 3
