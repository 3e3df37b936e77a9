"""The world behind recorded calls, told back from what the tools answered."""

import json

import pytest

from driftgate import mocks
from driftgate.adapters.files import read_agent, read_dataset
from driftgate.schemas.traces import ToolCall
from driftgate.worlds import tell_back
from tests.conftest import ROOT

SUPPORT = ROOT / "agents" / "support" / "versions"


@pytest.fixture(scope="module")
def agents():
    return {number: read_agent(SUPPORT / f"{number}.yaml")[0] for number in ("1.0.0", "2.0.0")}


def test_an_amount_is_told_back_with_its_unit_whichever_way_a_contract_renders_it(agents):
    """125040 cents under 1.0.0 and 1250.4 under 2.0.0 are the same money in the world."""
    for number, balance in (("1.0.0", 125040), ("2.0.0", 1250.4)):
        result = {"account_id": "ACC-1001", "balance": balance, "currency": "EUR"}
        call = ToolCall(
            seq=1,
            tool="get_account_balance",
            arguments={"account_id": "ACC-1001"},
            result=json.dumps(result),
        )
        world, rules = tell_back([call], agents[number].contracts)
        assert world == {"accounts": {"ACC-1001": {"balance": {"value": 1250.4, "unit": "EUR"}}}}
        assert not rules


def test_under_the_world_told_back_every_tool_answers_as_it_did(agents):
    """Each case's calls are made on its world, then on the one that is told back from them."""
    agent, told = agents["1.0.0"], 0
    cases = read_dataset(ROOT / "datasets" / "support").cases
    for case in [case for case in cases if not case.mocks][::4]:
        made = [r for r in mocks.rehearse(case, agent) if r.result is not None]
        calls = [
            ToolCall(seq=n, tool=r.tool, arguments=r.arguments, result=r.result)
            for n, r in enumerate(made, start=1)
        ]
        world, rules = tell_back(calls, agent.contracts)
        again = case.model_copy(update={"world": world, "mocks": rules})
        assert [r.result for r in mocks.rehearse(again, agent) if r.result is not None] == [
            r.result for r in made
        ]
        told += not rules
    assert told >= 5  # not all of it is only played back


def test_calls_that_failed_or_have_no_contract_say_nothing(agents):
    calls = [
        ToolCall(seq=1, tool="fly", arguments={}, result={"height": 5}),
        ToolCall(
            seq=2,
            tool="get_account_balance",
            arguments={"account_id": "ACC-1001"},
            error={"kind": "refused"},
        ),
    ]
    assert tell_back(calls, agents["1.0.0"].contracts) == ({}, ())
