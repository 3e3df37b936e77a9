"""The AgentCore data plane as boto3 sees it."""

import json
import threading
from itertools import count

import httpx2
import pytest
from botocore.exceptions import BotoCoreError, ClientError

from tests.standins.conftest import ARN, wait_until

_numbers = count(1)


@pytest.fixture(scope="module")
def client(standins):
    return standins.client()


@pytest.fixture(scope="module")
def unchecked(standins):
    """A client that sends what botocore itself would refuse."""
    return standins.client(parameter_validation=False)


@pytest.fixture
def session_id():
    return f"session-{next(_numbers):032}"


def invoke(client, session_id, do, asked=None, **members):
    """Invoke 1.0.0 of the clerk, or what `members` say."""
    return client.invoke_agent_runtime(
        **{
            "agentRuntimeArn": ARN,
            "qualifier": "v1_0_0",
            "runtimeSessionId": session_id,
            "payload": json.dumps({"do": do, **(asked or {})}).encode(),
            **members,
        }
    )


def stop(client, session_id, **members):
    return client.stop_runtime_session(
        **{
            "agentRuntimeArn": ARN,
            "qualifier": "v1_0_0",
            "runtimeSessionId": session_id,
            **members,
        }
    )


def answer(response):
    return json.loads(response["response"].read())


def sessions(standins):
    """The open sessions and how often each was invoked."""
    listed = httpx2.get(f"{standins.url}/standin/sessions").json()["sessions"]
    assert all(session["runtime_arn"] == ARN for session in listed)
    return {(s["session_id"], s["qualifier"]): s["invocations"] for s in listed}


class Invoked(threading.Thread):
    """An invocation in the background, and what became of it."""

    def __init__(self, *arguments):
        super().__init__(daemon=True)
        self.arguments = arguments
        self.error = None
        self.start()

    def run(self):
        try:
            invoke(*self.arguments)["response"].read()
        except (ClientError, BotoCoreError) as error:
            self.error = error


class TestInvoke:
    def test_the_agents_bytes_and_every_member_arrive(self, client, session_id):
        tracing = {
            "traceId": "Root=1-5759e988-bd862e3fe1be46a994272793",
            "traceParent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "traceState": "vendor=1",
            "baggage": f"session.id={session_id}",
        }
        said = '{"größe":  "as it is"}\n'
        response = invoke(client, session_id, "reply_bytes", {"text": said}, **tracing)

        assert response["response"].read() == said.encode()
        metadata = response.pop("ResponseMetadata")
        assert metadata["HTTPStatusCode"] == 200
        assert metadata["RequestId"]
        del response["response"]
        assert response == {
            "runtimeSessionId": session_id,
            "contentType": "application/json; charset=utf-8",
            "statusCode": 200,
            **tracing,
        }

    def test_the_agent_gets_the_session_and_the_baggage(self, client, session_id):
        response = invoke(
            client,
            session_id,
            "tell",
            baggage="session.id=x,b=2",
            contentType="application/json",
            accept="text/event-stream",
            runtimeUserId="ada",
        )
        headers = answer(response)["headers"]

        assert headers["x-amzn-bedrock-agentcore-runtime-session-id"] == session_id
        assert headers["baggage"] == "session.id=x,b=2"
        assert headers["content-type"] == "application/json"
        assert headers["accept"] == "text/event-stream"
        assert headers["x-amzn-bedrock-agentcore-runtime-user-id"] == "ada"
        assert not {"authorization", "x-amz-date"} & headers.keys()

    def test_a_stream_passes_as_it_comes(self, client, session_id, tmp_path):
        response = invoke(client, session_id, "stream", {"sign": str(tmp_path)})
        assert response["contentType"] == "text/event-stream"

        for number in range(3):  # the agent sends no event before the sign for the last one
            assert response["response"].read(9) == f"data: {number}\n\n".encode()
            (tmp_path / f"read-{number}").touch()
        assert response["response"].read() == b""

    def test_two_versions_run_side_by_side(self, client, session_id):
        first, second = (
            answer(invoke(client, session_id, "tell", qualifier=endpoint))
            for endpoint in ("v1_0_0", "v2_0_0")
        )
        again = answer(invoke(client, session_id, "tell"))

        assert (first["version"], second["version"]) == ("1.0.0", "2.0.0")
        assert first["pid"] == again["pid"] != second["pid"]

    def test_the_agents_tools_are_those_of_its_gateway(self, standins, client, attempt):
        asked = {"tool": "mock___balance", "arguments": {"account": "A1"}}

        assert answer(invoke(client, attempt, "use_tool", asked)) == {"got": '{"balance": 1250}'}
        custom = standins.endpoint.calls[-1]["context"]["custom"]
        assert custom["bedrockAgentCoreGatewayId"] == "clerk-1.0.0"


class TestErrors:
    def test_an_agents_error_is_a_runtime_client_error_with_what_it_said_and_wrote(
        self, client, session_id
    ):
        with pytest.raises(client.exceptions.RuntimeClientError) as caught:
            invoke(client, session_id, "fail")

        response = caught.value.response
        assert response["ResponseMetadata"]["HTTPStatusCode"] == 424
        assert 'Received error (500): {"error": "no clerk today"}' in response["Error"]["Message"]
        assert "the clerk fainted" in response["Error"]["Message"]

    def test_an_agent_that_dies_is_a_runtime_client_error_and_is_started_again(
        self, client, session_id
    ):
        with pytest.raises(client.exceptions.RuntimeClientError, match="the clerk left the buil"):
            invoke(client, session_id, "die")

        wait_until(lambda: answers(client, session_id))

    def test_an_agent_that_does_not_start_is_a_runtime_client_error(self, client, session_id):
        with pytest.raises(client.exceptions.RuntimeClientError, match="the clerk lost the keys"):
            invoke(client, session_id, "tell", qualifier="v3_0_0")

    def test_a_stream_that_breaks_off_is_no_whole_answer(self, client, session_id):
        response = invoke(client, session_id, "stream_and_die")

        with pytest.raises(BotoCoreError):
            response["response"].read()

    @pytest.mark.parametrize(
        ("members", "said"),
        [
            ({"agentRuntimeArn": ARN.replace("clerk", "nobody")}, "nobody 1.0.0 is not published"),
            ({"qualifier": "v9_0_0"}, "there are 1.0.0, 2.0.0, 3.0.0"),
            ({"qualifier": "DEFAULT"}, "No endpoint DEFAULT"),
            ({"qualifier": "prod"}, "No endpoint prod"),
            ({"agentRuntimeArn": ARN.replace("123456789012", "999999999999")}, "No runtime"),
            ({"agentRuntimeArn": "clerk", "accountId": "123456789012"}, "No runtime clerk"),
        ],
    )
    def test_what_is_not_published_is_not_found(self, client, session_id, members, said):
        with pytest.raises(client.exceptions.ResourceNotFoundException, match=said) as caught:
            invoke(client, session_id, "tell", **members)
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404

    def test_without_a_qualifier_the_default_endpoint_is_meant_and_not_found(self, client):
        with pytest.raises(client.exceptions.ResourceNotFoundException, match="DEFAULT"):
            client.invoke_agent_runtime(agentRuntimeArn=ARN, payload=b"{}")

    @pytest.mark.parametrize(
        ("member", "value", "constraint"),
        [
            ("runtimeSessionId", "s" * 32, "length greater than or equal to 33"),
            ("runtimeSessionId", "s" * 257, "length less than or equal to 256"),
            ("runtimeSessionId", "s" * 101, "length less than or equal to 100"),
            ("runtimeSessionId", "-" * 33, "pattern"),
            ("traceParent", "0" * 129, "length less than or equal to 128"),
            ("baggage", "b" * 8193, "length less than or equal to 8192"),
            ("accountId", "12", "pattern"),
        ],
    )
    def test_what_the_model_forbids_is_refused(
        self, unchecked, session_id, member, value, constraint
    ):
        with pytest.raises(unchecked.exceptions.ValidationException, match=constraint) as caught:
            invoke(unchecked, session_id, "tell", **{member: value})

        response = caught.value.response
        assert response["ResponseMetadata"]["HTTPStatusCode"] == 400
        assert response["reason"] == "FieldValidationFailed"
        assert [field["name"] for field in response["fieldList"]] == [member]

    def test_a_session_to_stop_must_be_named(self, standins):
        path = f"/runtimes/{ARN.replace('/', '%2F')}/stopruntimesession"
        response = httpx2.post(standins.url + path)  # boto3 can't be made to leave it away

        assert response.headers["x-amzn-errortype"] == "ValidationException"
        assert "Value at 'runtimeSessionId'" in response.json()["message"]

    def test_a_client_token_in_the_body_is_checked_too(self, unchecked, session_id):
        with pytest.raises(unchecked.exceptions.ValidationException, match="'clientToken'"):
            stop(unchecked, session_id, clientToken="short")
        with pytest.raises(unchecked.exceptions.ValidationException, match="wanted a string"):
            stop(unchecked, session_id, clientToken=7)


class TestSessions:
    def test_an_invocation_opens_a_session_and_a_stop_ends_it(self, standins, client, session_id):
        assert (session_id, "v1_0_0") not in sessions(standins)
        invoke(client, session_id, "tell")
        invoke(client, session_id, "tell")
        invoke(client, session_id, "tell", qualifier="v2_0_0")
        assert sessions(standins)[session_id, "v1_0_0"] == 2
        assert sessions(standins)[session_id, "v2_0_0"] == 1

        response = stop(client, session_id)
        assert (response["runtimeSessionId"], response["statusCode"]) == (session_id, 200)
        assert (session_id, "v1_0_0") not in sessions(standins)
        assert sessions(standins)[session_id, "v2_0_0"] == 1

    def test_an_invocation_of_a_stopped_session_starts_a_new_one(
        self, standins, client, session_id
    ):
        invoke(client, session_id, "tell")
        invoke(client, session_id, "tell")
        stop(client, session_id)
        invoke(client, session_id, "tell")

        assert sessions(standins)[session_id, "v1_0_0"] == 1

    @pytest.mark.parametrize("qualifier", ["v1_0_0", "v9_0_0", "DEFAULT"])
    def test_a_session_that_is_not_open_is_not_found(self, client, session_id, qualifier):
        with pytest.raises(client.exceptions.ResourceNotFoundException, match=session_id):
            stop(client, session_id, qualifier=qualifier)

    def test_a_stopped_session_is_not_found(self, client, session_id):
        invoke(client, session_id, "tell")
        stop(client, session_id)

        with pytest.raises(client.exceptions.ResourceNotFoundException):
            stop(client, session_id)

    def test_what_is_refused_opens_no_session(self, standins, client, session_id):
        with pytest.raises(client.exceptions.ResourceNotFoundException):
            invoke(client, session_id, "tell", qualifier="v9_0_0")

        assert session_id not in {key[0] for key in sessions(standins)}

    def test_a_stop_breaks_a_running_invocation_at_both_ends(
        self, standins, client, session_id, tmp_path
    ):
        running = Invoked(client, session_id, "wait", {"sign": str(tmp_path)})
        wait_until((tmp_path / "asked").exists)
        stop(client, session_id)
        running.join(30)

        assert isinstance(running.error, client.exceptions.RuntimeClientError)
        assert "stopped during the invocation" in str(running.error)
        wait_until((tmp_path / "dropped").exists)
        assert (session_id, "v1_0_0") not in sessions(standins)

    def test_a_stop_breaks_off_a_stream(self, client, session_id, tmp_path):
        response = invoke(client, session_id, "stream", {"sign": str(tmp_path)})
        stop(client, session_id)

        with pytest.raises(BotoCoreError):
            response["response"].read()


def answers(client, session_id):
    try:
        return answer(invoke(client, session_id, "tell"))["version"] == "1.0.0"
    except client.exceptions.RuntimeClientError:  # its end was not noticed yet
        return False
