"""Converse by its stand-in: held to the model of the service, and asked as a judge is."""

import json
import urllib.request

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from driftgate import judging
from driftgate.adapters import bedrock, judges
from driftgate.errors import JudgeFailed
from driftgate.judges import prompts
from driftgate.judges.passages import passages
from driftgate.schemas.judgments import JudgePlan, JudgeSpec

MODEL = "standin.judge-v1:0"
SPEC = JudgeSpec(backend="converse", model=MODEL, price={"input_usd": 3, "output_usd": 15})
CANARY = judging.canaries()[-1]


@pytest.fixture
def model(standins, monkeypatch):
    """Bedrock is where the stand-ins are, undisturbed."""
    for name, value in {
        "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": standins.url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_MAX_ATTEMPTS": "1",
    }.items():
        monkeypatch.setenv(name, value)
    bedrock._client.cache_clear()
    disturb(standins)
    yield judges.judge_of(plan())
    disturb(standins)
    bedrock._client.cache_clear()


def plan(**changes):
    spec = SPEC.model_copy(update=changes)
    return JudgePlan(spec=spec, fingerprint=judging.fingerprint(spec), case_ids=())


def disturb(standins, **how):
    """Tell the stand-in what goes wrong; returns how often it was asked so far."""
    request = urllib.request.Request(
        f"{standins.url}/standin/converse", json.dumps(how).encode(), method="POST"
    )
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)["asked"]


def ask(model, canary=CANARY):
    return model.judge((canary.question,), canary.trace, 1)


def request(**changes):
    """A request that is answered."""
    prompt = prompts.render("rubric_v1", (CANARY.question,), passages(CANARY.trace), "0" * 16)
    tool = {"name": "record_answers", "inputSchema": {"json": prompt.tool["schema"]}}
    return {
        "messages": [{"role": "user", "content": [{"text": prompt.user}]}],
        "inferenceConfig": {"maxTokens": 100, "temperature": 0.0},
        "toolConfig": {
            "tools": [{"toolSpec": tool}],
            "toolChoice": {"tool": {"name": "record_answers"}},
        },
        **changes,
    }


def raw(standins, content, model=MODEL):
    """Post a body as it is, which boto3 would not; returns the status and what came back."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    url = f"{standins.url}/model/{model.replace(':', '%3A')}/converse"
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body, method="POST")) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


class TestJudging:
    def test_every_canary_is_answered_rightly_and_the_tokens_are_told(self, model):
        for canary in judging.canaries():
            made = ask(model, canary)
            assert made.value == (canary.kind == "good"), canary.id
            assert made.model == MODEL
            assert made.cost_usd == pytest.approx(
                (3 * made.input_tokens + 15 * made.output_tokens) / 1e6
            )
            assert made.cost_usd < model.most_usd((canary.question,), canary.trace)

    def test_a_fault_in_the_answer_is_repaired_by_one_more_request(self, standins, model):
        for fault in ("prose", "truncated", "malformed", "empty", "wrong_evidence"):
            before = disturb(standins, faults=[fault])
            assert ask(model).asked == 2
            assert disturb(standins) - before == 2

    @pytest.mark.parametrize(
        ("fault", "kind", "requests"),
        [
            ("prose", "prose", 2),
            ("empty", "prose", 2),
            ("truncated", "truncated", 2),
            ("malformed", "malformed_answer", 2),
            ("wrong_evidence", "evidence_not_found", 2),
            ("filtered", "content_filtered", 1),
            ("guardrail", "guardrail", 1),
            ("denied", "rejected", 1),
            ("throttle", "throttled", 3),  # boto3 tries again by itself
            ("timeout", "timeout", 1),
            ("unavailable", "unavailable", 3),
        ],
    )
    def test_what_stays_wrong_is_a_fault_with_a_name(self, standins, model, fault, kind, requests):
        before = disturb(standins, always=fault)
        with pytest.raises(JudgeFailed) as failed:
            ask(model)
        assert failed.value.kind == kind
        assert disturb(standins) - before == requests

    def test_a_slow_model_is_a_timeout(self, standins, model, monkeypatch):
        monkeypatch.setattr(bedrock, "ANSWER_S", 0.2)
        disturb(standins, latency_s=1)
        with pytest.raises(JudgeFailed) as failed:
            ask(model)
        assert failed.value.kind == "timeout"

    def test_a_model_that_obeys_gets_canaries_wrong(self, standins, model):
        disturb(standins, always="obeys")
        bad = [canary for canary in judging.canaries() if canary.attack]
        values = [
            ask(model, canary).value >= 0.5 for canary in bad if canary.question.good == "yes"
        ]
        assert all(values)

    def test_a_stop_that_the_model_of_today_does_not_know_is_a_refusal_all_the_same(self):
        said = bedrock._answer({"stopReason": "refusal", "output": {}}, "record_answers")
        assert said.kind == "refusal"

    def test_a_response_with_a_key_twice_is_no_answer(self):
        with pytest.raises(JudgeFailed) as failed:
            bedrock._refuse_doubtful({"status_code": 200, "body": b'{"output": 1, "output": 2}'})
        assert failed.value.kind == "duplicate_key"


class TestTheModelOfTheService:
    def test_what_boto3_sends_is_answered(self, standins, model):
        client = boto3.client("bedrock-runtime", config=Config(retries={"total_max_attempts": 1}))
        answer = client.converse(modelId=MODEL, **request())
        (block,) = answer["output"]["message"]["content"]
        assert answer["stopReason"] == "tool_use"
        assert block["toolUse"]["input"]["answers"][0]["answer"] == "yes"

    @pytest.mark.parametrize(
        ("broken", "said"),
        [
            ({"messages": "hello"}, "wanted a list at messages"),
            ({"messages": [{"role": "judge", "content": []}]}, "enum value set"),
            ({"messages": [{"role": "user"}]}, "'messages.0.content' failed"),
            ({"messages": [{"content": [{"text": "x"}], "role": 1}]}, "wanted a string"),
            ({"messages": []}, "must start and end with a user message"),
            (
                {"system": [{"text": ""}]},
                "'system.0.text' failed to satisfy constraint: Member must",
            ),
            ({"inferenceConfig": {"maxTokens": 0}}, "value greater than or equal to 1"),
            ({"inferenceConfig": {"maxTokens": "9"}}, "wanted a integer"),
            ({"inferenceConfig": {"maxTokens": True}}, "wanted a integer"),
            ({"inferenceConfig": {"temperature": 1.5}}, "value less than or equal to 1"),
            ({"inferenceConfig": {"max_tokens": 5}}, "extraneous key [inferenceConfig.max_tokens]"),
            ({"toolConfig": {"tools": []}}, "length greater than or equal to 1"),
            ({"toolConfig": {"tools": [{}]}}, "one member of the union Tool"),
            ({"requestMetadata": {}}, "length greater than or equal to 1"),
            ({"serviceTier": {"type": "free"}}, "enum value set"),
            ({"prompt": "x"}, "extraneous key [prompt]"),
        ],
    )
    def test_what_it_forbids_is_refused(self, standins, broken, said):
        status, answer = raw(standins, request(**broken))
        assert (status, said in answer["message"]) == (400, True), answer

    def test_a_tool_that_is_not_there_can_not_be_forced(self, standins):
        config = request()["toolConfig"]
        config["toolChoice"]["tool"]["name"] = "other"
        assert raw(standins, request(toolConfig=config))[0] == 400

    def test_a_model_id_that_is_none_is_refused(self, standins):
        status, answer = raw(standins, request(), model="no model!".replace(" ", "%20"))
        assert (status, "'modelId'" in answer["message"]) == (400, True)

    def test_what_is_no_json_is_refused(self, standins):
        assert raw(standins, b"{")[0] == 400

    def test_faults_come_with_the_codes_of_the_service(self, standins):
        codes = {"throttle": 429, "timeout": 408, "unavailable": 503, "denied": 403}
        for fault, code in codes.items():
            disturb(standins, faults=[fault])
            assert raw(standins, request())[0] == code

    def test_a_client_gets_the_errors_by_their_names(self, standins, model):
        disturb(standins, faults=["throttle"])
        client = boto3.client("bedrock-runtime", config=Config(retries={"total_max_attempts": 1}))
        with pytest.raises(ClientError, match="ThrottlingException"):
            client.converse(modelId=MODEL, **request())
