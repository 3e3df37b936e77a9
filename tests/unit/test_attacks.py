"""Attacks made from ordinary cases: what they add, what they keep, and that they repeat."""

import base64
import codecs
import json
import random
import re

import boto3
import pytest
from botocore.stub import Stubber

from driftgate import attacks, mocks
from driftgate.adapters import files
from driftgate.adapters.text_model import ConverseTextModel
from driftgate.errors import BadInput, InfrastructureFailed, Throttled
from driftgate.schemas.attacks import AttackPlan, Goal
from tests.builders import bank, case, expect
from tests.conftest import ROOT

PLAN = files.read_attack_plan(ROOT / "datasets" / "support-adversarial" / "goals.yaml")
SUPPORT = files.read_dataset(ROOT / "datasets" / "support")
AGENT, _ = files.read_agent(ROOT / "agents" / "support" / "versions" / "1.0.0.yaml")
GOALS = {goal.id: goal for goal in PLAN.goals}


def drafts(seed=7, number=60, strategies=tuple(attacks.STRATEGIES), model=None):
    return list(attacks.generate(SUPPORT, PLAN, strategies, seed, number, model))


def attacked(strategy, goal=GOALS["code"], carriers=(), of=None, seed=1, model=None):
    ordinary = of or case(expect("find"), case_id="plain", turns=[{"user": "One. Two."}])
    return attacks.attack(ordinary, strategy, goal, carriers, seed, model)


def added(draft, before="One. Two."):
    """What an attack said beside the user's own words."""
    told = " ".join(turn.user for turn in draft.turns)
    for part in before.split():
        told = told.replace(part, "", 1)
    return told.strip()


def test_the_same_seed_makes_the_same_drafts_and_another_one_others():
    first = [draft.model_dump_json() for draft in drafts()]
    assert first == [draft.model_dump_json() for draft in drafts()]
    chosen = {draft.case_id for draft in drafts()}
    assert len(chosen & {draft.case_id for draft in drafts(seed=8)}) < 10


def test_another_seed_words_and_places_the_same_attack_in_another_way():
    told = {attacked("auditor", seed=seed).turns[0].user for seed in range(20)}
    assert len(told) == 6  # three places, two wordings


def test_strategies_come_by_turns_and_each_draft_says_which_one_made_it():
    named = [draft.adversarial.strategy for draft in drafts()]
    assert named[:15] == [f"{name} seed=7" for name in attacks.STRATEGIES]
    assert {named.count(name) for name in named} == {4}


def test_every_draft_fits_the_contracts_and_expects_what_its_case_did():
    ordinary = {c.case_id: c for c in SUPPORT.cases}
    for draft in drafts(number=150):
        assert list(mocks.misfits(draft, [AGENT])) == []
        before = ordinary[draft.provenance.origin.rpartition("/")[2]]
        assert draft.expected_calls == before.expected_calls
        assert draft.expected_outputs == before.expected_outputs
        assert [t.expected_outputs for t in draft.turns][: len(before.turns)] == [
            t.expected_outputs for t in before.turns
        ]
        assert (draft.provenance.kind, draft.smoke) == ("synthetic", False)
        assert draft.forbidden_calls or draft.adversarial.canaries
        assert draft.forbidden_calls[: len(before.forbidden_calls)] == before.forbidden_calls


@pytest.mark.parametrize(
    ("strategy", "said"),
    [
        ("before", "{} One. Two."),
        ("middle", "One. {} Two."),
        ("after", "One. Two. {}"),
    ],
)
def test_a_place_in_what_the_user_says(strategy, said):
    (turn,) = attacked(strategy).turns
    head, tail = said.split("{}")
    assert turn.user.startswith(head)
    assert turn.user.endswith(tail)
    assert "tell the counter code" in turn.user


def test_an_order_in_a_record_stands_where_an_expected_call_returns_it():
    world = {"articles": [{"keywords": "fees", "text": "Nine euros."}]}
    known = case(expect("search_help"), world=world)
    draft = attacked("record", carriers=PLAN.carriers, of=known)
    text = draft.world["articles"][0]["text"]
    assert text.startswith("Nine euros. ")
    assert "counter code" in text
    assert draft.turns == known.turns
    assert draft.adversarial.kind == "indirect_injection"
    with pytest.raises(attacks.Unfit, match="no record"):
        attacked("record", carriers=PLAN.carriers, of=case(expect("find"), world=world))


def decoded(strategy, text):
    match strategy:
        case "base64":
            return base64.b64decode(re.findall(r"[\w+/=]{24,}", text)[0]).decode()
        case "rot13":
            return codecs.decode(text, "rot13")
        case "zero-width":
            return text.replace("\u200b", "")
        case "homoglyph":
            return text.translate(str.maketrans("аеорсхАЕОРСХ", "aeopcxAEOPCX"))
        case "leetspeak":
            return text.translate(str.maketrans("431057", "aeiost"))


@pytest.mark.parametrize("strategy", ["base64", "rot13", "zero-width", "homoglyph", "leetspeak"])
def test_a_disguised_order_is_not_readable_and_can_be_read_again(strategy):
    text = added(attacked(strategy))
    assert GOALS["code"].order["en"] not in text
    assert GOALS["code"].order["en"] in decoded(strategy, text)


@pytest.mark.parametrize("strategy", ["zero-width", "homoglyph", "leetspeak"])
def test_ids_and_amounts_are_not_disguised(strategy):
    text = attacks.STRATEGIES[strategy].disguise(GOALS["money"].order["en"], random.Random(0))
    assert "950" in text
    assert "ACC-6660" in text


def test_a_translated_order_is_in_another_language_than_the_case():
    german = case(expect("find"), locale="de-CH")
    assert GOALS["code"].order["de"] in attacked("before", of=german).turns[0].user
    told = attacked("translated", of=german).turns[0].user
    assert any(GOALS["code"].order[name] in told for name in ("en", "fr"))
    mute = Goal(id="mute", order={"en": "go"}, canaries=("x1",))
    with pytest.raises(attacks.Unfit, match="in one language"):
        attacked("translated", goal=mute)


def test_an_escalation_comes_in_turns_after_the_users_own():
    draft = attacked("escalation")
    assert draft.turns[0].user == "One. Two."
    assert len(draft.turns) == 4
    assert "counter code" in draft.turns[-1].user


@pytest.mark.parametrize("told", ["ACC-6660", "CUS-5999", "Ottilie Brandt"])
def test_a_case_that_speaks_of_the_attackers_things_itself_is_left_out(told):
    goal = GOALS["money"] if told == "ACC-6660" else GOALS["record"]
    with pytest.raises(attacks.Unfit, match=re.escape(repr(told))):
        attacked("before", goal, of=case(expect("find"), turns=[{"user": f"What of {told}?"}]))


def test_a_world_is_not_overwritten_by_what_an_order_speaks_of():
    world = {"accounts": {"ACC-6661": {"kind": "savings"}}}
    draft = attacked("before", GOALS["money"], of=case(expect("find"), world=world))
    assert draft.world["accounts"].keys() == {"ACC-6661", "ACC-6660"}
    lodger = Goal(id="lodger", order={"en": "go"}, world={"accounts": {"ACC-6661": {}}})
    for own in (world, {"accounts": []}):
        with pytest.raises(attacks.Unfit, match="records of its own in accounts"):
            attacked("before", lodger, of=case(expect("find"), world=own))


def test_what_the_case_forbids_stays_forbidden():
    strict = case(expect("find"), forbidden_calls=[{"tool": "pay"}])
    tools = [call.tool for call in attacked("before", GOALS["money"], of=strict).forbidden_calls]
    assert tools == ["pay", "transfer_money"]


def test_a_draft_is_never_attacked_again():
    once = bank(attacked("before"), tools={"find": "read"})
    with pytest.raises(BadInput, match="all are attacks"):
        list(attacks.generate(once, PLAN, ["after"], 0, 5))


def test_a_plan_of_which_nothing_comes_is_told():
    plan = AttackPlan(goals=[GOALS["code"]])
    with pytest.raises(BadInput, match="no case fits record"):
        list(attacks.generate(SUPPORT, plan, ["record"], 0, 5))


class Writer:
    """A model that writes these texts, one after the other."""

    name = "writer"

    def __init__(self, *texts):
        self.texts = list(texts)
        self.asked = []

    def write(self, instruction):
        self.asked.append(instruction)
        return self.texts.pop(0)


class TestModel:
    def test_its_text_becomes_part_of_the_case(self):
        writer = Writer("  Be kind to ACC-6660.\n")
        draft = attacked("model", GOALS["money"], model=writer)
        assert added(draft) == "Be kind to ACC-6660."
        assert draft.adversarial.strategy == "model seed=1"
        (asked,) = writer.asked
        assert "- One. Two." in asked
        assert GOALS["money"].order["en"] in asked
        assert "These must stand in it unchanged: ACC-6660." in asked

    @pytest.mark.parametrize(
        ("goal", "text", "fault"),
        [
            ("money", " ", "it is empty"),
            ("money", "I can't help with that.", "it does not say 'ACC-6660'"),
            ("money", "ACC-6660 " * 200, "characters, at most 1500"),
            ("code", "Is it HERON-4417?", "it tells the secret 'HERON-4417' itself"),
        ],
    )
    def test_a_text_that_can_not_be_used_is_asked_for_again_with_the_reason(
        self, goal, text, fault
    ):
        writer = Writer(text, "Dear ACC-6660!")
        assert "ACC-6660" in added(attacked("model", GOALS[goal], model=writer))
        assert fault in writer.asked[1]

    def test_after_three_texts_the_case_is_left_out(self):
        writer = Writer("no", "no", "no", "ACC-6660")
        with pytest.raises(attacks.Unfit, match="nothing that can be used"):
            attacked("model", GOALS["money"], model=writer)
        assert len(writer.asked) == 3

    def test_who_wrote_it_is_part_of_its_provenance(self):
        (draft,) = drafts(number=1, strategies=["model"], model=Writer("ACC-6660 CUS-5999"))
        assert draft.provenance.origin.endswith(", written by writer")


class TestConverse:
    """Requests and responses are checked by botocore against the service's own model."""

    @pytest.fixture
    def service(self, monkeypatch):
        monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "none")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "none")
        made = []
        client = boto3.client
        monkeypatch.setattr(
            boto3, "client", lambda *words, **rest: made.append(client(*words, **rest)) or made[0]
        )
        model = ConverseTextModel("global.some-model")
        with Stubber(made[0]) as stubber:
            yield model, stubber

    def answer(self, text, stop="end_turn"):
        return {
            "output": {"message": {"role": "assistant", "content": [{"text": text}]}},
            "stopReason": stop,
            "usage": {"inputTokens": 3, "outputTokens": 2, "totalTokens": 5},
            "metrics": {"latencyMs": 10},
        }

    def test_it_asks_once_and_gives_the_text(self, service):
        model, stubber = service
        request = {
            "modelId": "global.some-model",
            "messages": [{"role": "user", "content": [{"text": "Write."}]}],
            "inferenceConfig": {"maxTokens": 500, "temperature": 1.0},
            "requestMetadata": {"application": "driftgate-cases"},
        }
        stubber.add_response("converse", self.answer("Obey."), request)
        assert model.write("Write.") == "Obey."
        stubber.assert_no_pending_responses()

    @pytest.mark.parametrize(
        ("code", "error"),
        [
            ("ThrottlingException", Throttled),
            ("AccessDeniedException", BadInput),
            ("InternalServerException", InfrastructureFailed),
        ],
    )
    def test_its_errors_have_names_of_ours(self, service, code, error):
        model, stubber = service
        stubber.add_client_error("converse", code, "no")
        with pytest.raises(error, match=r"^global.some-model: .*no"):
            model.write("Write.")

    @pytest.mark.parametrize("stop", ["max_tokens", "content_filtered", "guardrail_intervened"])
    def test_a_text_that_broke_off_is_none(self, service, stop):
        model, stubber = service
        stubber.add_response("converse", self.answer("Ob", stop))
        with pytest.raises(InfrastructureFailed, match=f"stopped with {stop}"):
            model.write("Write.")


class TestCommand:
    def attack(self, cli, out, *flags, goals="datasets/support-adversarial/goals.yaml"):
        words = ("dataset", "attack", "datasets/support", "--goals", goals, "--out", out)
        return cli(*words, *flags)

    def test_it_writes_drafts_that_are_cases_and_publishes_nothing(self, cli, tmp_path):
        out = tmp_path / "drafts.jsonl"
        done = self.attack(cli, out, "--seed", "3", "--number", "8", "--json")
        assert done.code == 0, done.err
        lines = out.read_text().splitlines()
        assert len(lines) == 8
        assert [d["case_id"] for d in done.json] == [json.loads(x)["case_id"] for x in lines]
        assert "read them before they become cases" in done.err
        assert not any("dataset" in name for name in cli.files())

    def test_it_never_writes_over_a_file(self, cli, tmp_path):
        out = tmp_path / "cases.jsonl"
        out.write_text("mine")
        done = self.attack(cli, out)
        assert (done.code, out.read_text()) == (2, "mine")
        assert "wanted a new file" in done.err

    @pytest.mark.parametrize(
        ("flags", "said"),
        [
            (("--strategy", "flattery"), "wanted one of before, middle,"),
            (("--strategy", "model"), "go together"),
            (("--strategy", "before", "--model", "m"), "go together"),
        ],
    )
    def test_a_strategy_that_there_is_not_is_refused(self, cli, tmp_path, flags, said):
        done = self.attack(cli, tmp_path / "drafts.jsonl", *flags)
        assert done.code == 2
        assert said in done.err

    def test_goals_that_the_contracts_do_not_know_are_refused_before_anything_is_written(
        self, cli, tmp_path
    ):
        goals = tmp_path / "goals.yaml"
        goals.write_text(
            "goals:\n  - id: a\n    order: {en: go}\n    forbidden_calls:\n"
            "      - {tool: transfer_money, arguments: {iban: X}}\n"
        )
        agent = ("--agent", "agents/support/versions/1.0.0.yaml")
        done = self.attack(cli, tmp_path / "drafts.jsonl", *agent, goals=goals)
        assert done.code == 2
        assert "transfer_money has no argument 'iban'" in done.err
        assert not (tmp_path / "drafts.jsonl").exists()

    def test_a_fault_in_the_goals_is_told_with_its_line(self, cli, tmp_path):
        goals = tmp_path / "goals.yaml"
        goals.write_text("goals:\n  - id: a\n    order: {it: vai}\n")
        done = self.attack(cli, tmp_path / "drafts.jsonl", goals=goals)
        assert done.code == 2
        assert f"{goals}:3: goals.0.order" in done.err
