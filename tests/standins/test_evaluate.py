"""AgentCore's Evaluate by its stand-in, asked as a judge is."""

import json
import urllib.error
import urllib.request

import pytest

from driftgate import judging
from driftgate.adapters import evaluators, judges
from driftgate.errors import JudgeFailed
from driftgate.judges import spans
from driftgate.schemas.judgments import JudgePlan, JudgeSpec
from driftgate.schemas.traces import Message
from tests.builders import call, trace

PRICE = {"input_usd": 2.4, "output_usd": 12}
SESSION = JudgeSpec(backend="evaluate", model="Builtin.GoalSuccessRate", price=PRICE)
TRACE = JudgeSpec(backend="evaluate", model="Builtin.Helpfulness", level="TRACE")
CUSTOM = JudgeSpec(backend="evaluate", model="politeness-a1b2c3d4e5")
CANARY = judging.canaries()[-1]


@pytest.fixture
def agentcore(standins, monkeypatch):
    """AgentCore is where the stand-ins are, undisturbed."""
    for name, value in {
        "AWS_ENDPOINT_URL_BEDROCK_AGENTCORE": standins.url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "eu-central-1",
    }.items():
        monkeypatch.setenv(name, value)
    evaluators._client.cache_clear()
    disturb(standins)
    yield standins
    disturb(standins)
    evaluators._client.cache_clear()


def disturb(standins, **how):
    request = urllib.request.Request(
        f"{standins.url}/standin/evaluate", json.dumps(how).encode(), method="POST"
    )
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)["asked"]


def ask(spec, canary=CANARY):
    fingerprint = judging.fingerprint(spec)
    judge = judges.judge_of(JudgePlan(spec=spec, fingerprint=fingerprint, case_ids=()))
    return judge.judge((canary.question,), canary.trace, 1)


@pytest.mark.parametrize("spec", [SESSION, TRACE, CUSTOM])
def test_every_canary_gets_its_value_and_no_answers(agentcore, spec):
    for canary in judging.canaries():
        made = ask(spec, canary)
        assert (made.value, made.answers) == (float(canary.kind == "good"), ()), canary.id
        assert spec.model in made.model
        assert made.input_tokens == 900


def test_a_price_makes_tokens_a_cost(agentcore):
    assert ask(SESSION).cost_usd == pytest.approx((900 * 2.4 + 100 * 12) / 1e6)
    assert ask(TRACE).cost_usd is None


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        *(("error_row", "evaluator_error"), ("ignored", "ignored_reference")),
        *(("above_one", "out_of_range"), ("no_value", "form"), ("throttle", "throttled")),
        *(("denied", "rejected"), ("unavailable", "unavailable")),
    ],
)
def test_what_is_no_value_is_a_fault_with_a_name(agentcore, fault, kind):
    disturb(agentcore, always=fault)
    with pytest.raises(JudgeFailed) as failed:
        ask(SESSION)
    assert failed.value.kind == kind


def test_a_turn_without_a_result_is_a_fault(agentcore):
    disturb(agentcore, faults=["no_row"])
    with pytest.raises(JudgeFailed) as failed:
        ask(TRACE)
    assert failed.value.kind in ("form", "missing_item")


def test_assertions_that_an_evaluator_leaves_aside_are_told(agentcore):
    """Helpfulness looks at traces and knows no assertions: asked as if it did, it says so."""
    with pytest.raises(JudgeFailed):
        ask(TRACE.model_copy(update={"level": "SESSION"}))


class TestSpans:
    TALK = trace(
        call("pay", "write", amount=1).model_copy(update={"result": {"ok": True}}),
        call("find", error="fault").model_copy(update={"turn": 2}),
        says=["Paid.", "Nothing found."],
    )

    def test_each_turn_is_a_trace_with_a_span_for_each_call(self):
        found = spans.session_spans(self.TALK)
        assert [span["name"] for span in found] == [
            *("invoke_agent", "execute_tool pay", "invoke_agent", "execute_tool find"),
        ]
        first, pay, second, find = found
        assert first["traceId"] == pay["traceId"] != second["traceId"] == find["traceId"]
        assert (pay["parentSpanId"], find["status"]) == (first["spanId"], {"code": "ERROR"})
        assert json.loads(pay["attributes"]["gen_ai.tool.call.arguments"]) == {"amount": 1}
        assert "Paid." in first["attributes"]["gen_ai.output.messages"]
        assert len({span["spanId"] for span in found}) == len(found)

    def test_nothing_tells_the_run_the_arm_or_the_trial(self):
        other = self.TALK.model_copy(
            update={"case_id": "b", "trial": 3, "session_id": "r-candidate"}
        )
        assert spans.session_spans(other) == spans.session_spans(self.TALK)
        said = Message(role="user", text="Hello")
        more = self.TALK.model_copy(update={"messages": (said, *self.TALK.messages)})
        assert spans.session_id(more) != spans.session_id(self.TALK)

    def test_the_scope_is_one_that_evaluators_accept(self):
        assert all(
            span["scope"]["name"].startswith("opentelemetry.instrumentation.")
            for span in spans.session_spans(self.TALK)
        )


class TestTheModelOfTheService:
    def raw(self, standins, content, evaluator="Builtin.GoalSuccessRate"):
        url = f"{standins.url}/evaluations/evaluate/{evaluator}"
        request = urllib.request.Request(url, json.dumps(content).encode(), method="POST")
        try:
            with urllib.request.urlopen(request) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def content(self, **changes):
        session = {"sessionSpans": spans.session_spans(CANARY.trace)}
        return {"evaluationInput": session, **changes}

    @pytest.mark.parametrize(
        ("broken", "said"),
        [
            ({"evaluationInput": {"sessionSpans": []}}, "length greater than or equal to 1"),
            ({"evaluationInput": {}}, "one member of the union"),
            ({"evaluationInput": {"spans": []}}, "extraneous key [evaluationInput.spans]"),
            ({"evaluationTarget": {"traceIds": ["x"] * 11}}, "length less than or equal to 10"),
            (
                {"evaluationTarget": {"traceIds": ["a"], "spanIds": ["b"]}},
                "one member of the union",
            ),
            ({"evaluationReferenceInputs": [{}]}, "context"),
            ({"evaluationInput": {"sessionSpans": [{"spanId": "a"}]}}, "traceId is required"),
        ],
    )
    def test_what_it_forbids_is_refused(self, standins, broken, said):
        status, answer = self.raw(standins, self.content(**broken))
        assert (status, said in answer["message"]) == (400, True), answer

    def test_an_evaluators_id_has_its_pattern(self, standins):
        assert self.raw(standins, self.content(), "helpful")[0] == 400

    def test_spans_of_an_unknown_instrumentation_are_refused(self, standins):
        content = self.content()
        content["evaluationInput"]["sessionSpans"][0]["scope"] = {"name": "our.own"}
        status, answer = self.raw(standins, content)
        assert (status, "accepted instrumentation" in answer["message"]) == (400, True)
