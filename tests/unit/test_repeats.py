"""An agent that is asked the same twice runs once; another turn, session or failure runs."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from driftgate.agentkit.repeats import Repeats


class Agent:
    def __init__(self, fails=0):
        self.runs, self._fails = 0, fails

    def __call__(self):
        self.runs += 1
        if self.runs <= self._fails:
            raise RuntimeError(f"run {self.runs} failed")
        return {"answer": self.runs}


def test_the_same_request_of_a_session_gets_the_answer_it_had():
    repeats, agent = Repeats(), Agent()
    first = repeats.answer("s-1", {"prompt": "Pay", "n": 1}, agent)
    assert repeats.answer("s-1", {"n": 1, "prompt": "Pay"}, agent) is first
    assert agent.runs == 1


@pytest.mark.parametrize(
    ("session_id", "payload"),
    [("s-1", {"prompt": "Pay again"}), ("s-2", {"prompt": "Pay"}), ("s-1", {"prompt": ["Pay"]})],
)
def test_another_turn_or_session_runs(session_id, payload):
    repeats, agent = Repeats(), Agent()
    repeats.answer("s-1", {"prompt": "Pay"}, agent)
    assert repeats.answer(session_id, payload, agent) == {"answer": 2}


@pytest.mark.parametrize("session_id", [None, ""])
def test_without_a_session_nobody_gets_anothers_answer(session_id):
    repeats, agent = Repeats(), Agent()
    assert [repeats.answer(session_id, "Pay", agent)["answer"] for _ in range(2)] == [1, 2]


def test_who_asks_while_it_runs_waits_for_it():
    repeats, agent, begun, go_on = Repeats(), Agent(), threading.Event(), threading.Event()

    def slow():
        begun.set()
        assert go_on.wait(10)
        return agent()

    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(repeats.answer, "s", "x", slow)]
        assert begun.wait(10)
        asked += [pool.submit(repeats.answer, "s", "x", slow) for _ in range(7)]
        go_on.set()
        assert [one.result(10) for one in asked] == [{"answer": 1}] * 8
    assert agent.runs == 1


def test_a_failure_is_told_to_all_who_wait_and_not_kept():
    repeats, agent, begun, go_on = Repeats(), Agent(fails=1), threading.Event(), threading.Event()
    waiting = threading.Barrier(2)

    def slow():
        begun.set()
        assert go_on.wait(10)
        return agent()

    def ask_meanwhile():
        waiting.wait(10)
        return repeats.answer("s", "x", pytest.fail)  # never run: the first one is

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(repeats.answer, "s", "x", slow)
        assert begun.wait(10)
        second = pool.submit(ask_meanwhile)
        waiting.wait(10)
        while not repeats._answers["s", _only(repeats)]._condition._waiters:  # it waits by now
            pass
        go_on.set()
        for one in (first, second):
            with pytest.raises(RuntimeError, match="run 1 failed"):
                one.result(10)
    assert repeats.answer("s", "x", agent) == {"answer": 2}


def _only(repeats):
    ((_, digest),) = repeats._answers
    return digest


def test_no_more_than_so_many_answers_are_kept_and_none_that_is_still_running_is_forgotten():
    repeats, agent, begun, go_on = Repeats(most=2), Agent(), threading.Event(), threading.Event()

    def slow():
        begun.set()
        assert go_on.wait(10)
        return agent()

    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(repeats.answer, "s", "slow", slow)
        assert begun.wait(10)
        for turn in range(5):
            repeats.answer("s", turn, agent)
        assert len(repeats._answers) == 3
        go_on.set()
        assert running.result(10) == {"answer": 6}
    assert repeats.answer("s", "slow", agent) == {"answer": 6}
    assert repeats.answer("s", 0, agent) == {"answer": 7}  # the oldest is gone
    with pytest.raises(ValueError, match="wanted 1 or more, got 0"):
        Repeats(most=0)
