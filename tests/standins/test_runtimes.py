"""Endpoints of the sandbox through real clients: leased, shared, swept, held to what they serve."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from driftgate import endpoints
from driftgate.adapters.local import LocalRegistry
from driftgate.adapters.runtime_control import DEFINITION, AgentCoreControl
from driftgate.errors import BadInput, InfrastructureFailed, IntegrityFailed, NoEndpointFree
from driftgate.schemas.endpoints import ContainerImage, StoredCode
from local.standins.app import make_app
from local.standins.wire import CONTROL_PLANE, service
from tests.standins.conftest import REGION, instance, served

IMAGE = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/bank/support"
KEPT = {
    "roleArn": "arn:aws:iam::123456789012:role/sandbox",
    "networkConfiguration": {"networkMode": "PUBLIC"},
    "environmentVariables": {"GATEWAY_URL": "https://gateway"},
    "lifecycleConfiguration": {"idleRuntimeSessionTimeout": 60, "maxLifetime": 900},
}


def image(number):
    return ContainerImage(uri=f"{IMAGE}@sha256:{number:064x}")


class Clock:
    """Stands still, until it is told to go on."""

    def __init__(self):
        self.time = datetime(2026, 11, 20, 12, tzinfo=UTC)

    def now(self):
        return self.time.isoformat()

    def after(self, **passed):
        self.time += timedelta(**passed)


class Sandbox:
    """A runtime of its own at the stand-in, and a registry."""

    def __init__(self, client, name, folder):
        self.client = client
        made = client.create_agent_runtime(
            agentRuntimeName=name,
            agentRuntimeArtifact={"containerConfiguration": {"containerUri": image(0).uri}},
            **KEPT,
        )
        self.id, self.arn = made["agentRuntimeId"], made["agentRuntimeArn"]
        self.control = AgentCoreControl(client)
        self.stored = LocalRegistry(folder)
        self.clock = Clock()

    def take(self, artifact, holder="pr-1", hours=1.0, control=None):
        return endpoints.take(
            self.arn,
            artifact,
            holder,
            hours,
            control or self.control,
            self.stored,
            self.clock,
            lambda _: None,
        )

    def release(self, taken):
        return endpoints.release(self.arn, taken.qualifier, taken.holder, self.stored, self.clock)

    def sweep(self):
        return endpoints.sweep(self.arn, self.control, self.stored, self.clock, lambda _: None)

    def names(self):
        return set(self.control.endpoint_names(self.arn)) - {"DEFAULT"}

    def versions(self):
        return int(self.client.get_agent_runtime(agentRuntimeId=self.id)["agentRuntimeVersion"])

    def definition(self, version):
        return self.client.get_agent_runtime(agentRuntimeId=self.id, agentRuntimeVersion=version)

    def repoint(self, name, version):
        self.client.update_agent_runtime_endpoint(
            agentRuntimeId=self.id, endpointName=name, agentRuntimeVersion=version
        )


@pytest.fixture(scope="module")
def client():
    def undeployed():
        raise AssertionError("nothing here needs a deployment")

    with served(partial(make_app, instance("http://127.0.0.1:9"), undeployed)) as url:
        yield boto3.client(
            CONTROL_PLANE,
            endpoint_url=url,
            region_name=REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(retries={"total_max_attempts": 1}),
        )


@pytest.fixture
def sandbox(client, tmp_path, request):
    name = "s" + "".join(c for c in request.node.name if c.isalnum())[-40:]
    return Sandbox(client, name, tmp_path)


class TestTaking:
    def test_an_endpoint_is_pinned_to_a_version_with_the_artifact_and_all_else_as_it_was(
        self, sandbox
    ):
        taken = sandbox.take(image(1))

        assert taken.qualifier.startswith("dg_")
        assert (taken.runtime_version, taken.expires_at) == ("2", "2026-11-20T13:00:00+00:00")
        made = sandbox.definition("2")
        artifact = {"containerConfiguration": {"containerUri": image(1).uri}}
        assert made["agentRuntimeArtifact"] == artifact
        assert {key: made[key] for key in KEPT} == KEPT
        found = sandbox.control.endpoint(sandbox.arn, taken.qualifier)
        assert (found.status, found.live_version) == ("READY", "2")

    def test_nothing_that_an_update_replaces_is_left_out(self):
        update = service(CONTROL_PLANE).operation_model("UpdateAgentRuntime").input_shape.members
        get = service(CONTROL_PLANE).operation_model("GetAgentRuntime").output_shape.members

        assert set(DEFINITION) == set(update) & set(get) - {"agentRuntimeId"}

    def test_code_is_taken_by_the_version_of_its_object(self, sandbox):
        code = StoredCode(bucket="code", prefix="a.zip", version_id="v-1", entry_point=("a.py",))
        taken = sandbox.take(code)

        found = sandbox.definition(taken.runtime_version)["agentRuntimeArtifact"]
        assert found["codeConfiguration"] == {
            "code": {"s3": {"bucket": "code", "prefix": "a.zip", "versionId": "v-1"}},
            "runtime": "PYTHON_3_13",
            "entryPoint": ["a.py"],
        }

    def test_the_same_artifact_meets_the_same_endpoint_whoever_wants_it(self, sandbox):
        first = sandbox.take(image(1))
        again, other = sandbox.take(image(1), hours=3), sandbox.take(image(1), "pr-2")

        assert first.qualifier == again.qualifier == other.qualifier
        assert sandbox.versions() == 2
        pool = endpoints.pool_of(sandbox.arn, sandbox.stored)
        assert [(one.holder, one.expires_at[11:16]) for one in pool.leases] == [
            ("pr-1", "15:00"),
            ("pr-2", "13:00"),
        ]

    def test_what_the_newest_version_is_already_gets_no_other(self, sandbox):
        assert sandbox.take(image(0)).runtime_version == "1"

    def test_a_version_that_was_made_before_is_found_after_a_newer_one(self, sandbox):
        """The service knows the request again and makes nothing: the newest stays another."""
        first = sandbox.take(image(1))
        sandbox.take(image(2))
        sandbox.release(first)
        sandbox.sweep()

        again = sandbox.take(image(1))

        assert (again.qualifier, again.runtime_version) == (first.qualifier, "2")

    def test_other_settings_are_another_endpoint(self, sandbox):
        first = sandbox.take(image(1))
        changed = {**KEPT, "environmentVariables": {"GATEWAY_URL": "https://other"}}
        sandbox.client.update_agent_runtime(
            agentRuntimeId=sandbox.id,
            agentRuntimeArtifact={"containerConfiguration": {"containerUri": image(1).uri}},
            **changed,
        )
        assert sandbox.take(image(1)).qualifier != first.qualifier

    def test_many_at_once_get_what_they_asked_for(self, sandbox):
        with ThreadPoolExecutor(6) as pool:
            taken = list(pool.map(lambda n: sandbox.take(image(n % 3 + 1), f"pr-{n}"), range(6)))

        assert len(sandbox.names()) == 3
        for number, one in enumerate(taken):
            made = sandbox.definition(one.runtime_version)["agentRuntimeArtifact"]
            uri = made["containerConfiguration"]["containerUri"]
            assert uri == image(number % 3 + 1).uri
        assert len(endpoints.pool_of(sandbox.arn, sandbox.stored).leases) == 6

    def test_an_endpoint_that_was_repointed_is_not_handed_out(self, sandbox):
        taken = sandbox.take(image(1))
        sandbox.repoint(taken.qualifier, "1")

        with pytest.raises(IntegrityFailed, match="serves version 1, which is not what"):
            sandbox.take(image(1), "pr-2")
        assert sandbox.release(taken)
        assert sandbox.sweep().deleted == (taken.qualifier,)
        assert sandbox.take(image(1)).runtime_version == "2"

    def test_a_taker_that_dies_leaves_what_the_next_finds(self, sandbox):
        class Dies(AgentCoreControl):
            def create_endpoint(self, runtime_arn, name, version):
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            sandbox.take(image(1), control=Dies(sandbox.client))
        assert sandbox.take(image(1), "pr-2").runtime_version == "2"
        assert sandbox.versions() == 2

    def test_what_can_not_be_made_is_not_held(self, sandbox):
        class Fails(AgentCoreControl):
            def create_endpoint(self, runtime_arn, name, version):
                raise InfrastructureFailed("no image")

        with pytest.raises(InfrastructureFailed, match="no image"):
            sandbox.take(image(1), control=Fails(sandbox.client))
        assert len(sandbox.sweep().deleted) == 1
        assert endpoints.pool_of(sandbox.arn, sandbox.stored).leases == ()

    def test_a_runtime_that_there_is_not_is_bad_input(self, sandbox):
        sandbox.arn = sandbox.arn.replace(sandbox.id, "none-0123456789")

        with pytest.raises(BadInput, match=r"there is no runtime .*none-0123456789"):
            sandbox.take(image(1))


@pytest.fixture
def four(monkeypatch):
    """Four endpoints for a runtime, as ten take long; DEFAULT is one of them."""
    monkeypatch.setattr(endpoints, "ENDPOINTS", 4)


@pytest.mark.usefixtures("four")
class TestRoom:
    def test_the_one_that_expired_first_makes_room_and_none_that_is_held(self, sandbox):
        late = sandbox.take(image(1), hours=2)
        early = sandbox.take(image(2), hours=1)
        held = sandbox.take(image(3), hours=9)
        assert sandbox.names() == {late.qualifier, early.qualifier, held.qualifier}
        sandbox.clock.after(hours=3)

        fourth = sandbox.take(image(4))

        assert sandbox.names() == {late.qualifier, held.qualifier, fourth.qualifier}

    def test_where_all_are_leased_it_is_told_who_has_them(self, sandbox):
        taken = [sandbox.take(image(n), f"pr-{n}") for n in range(1, 4)]
        sandbox.clock.after(minutes=59)

        with pytest.raises(NoEndpointFree) as error:
            sandbox.take(image(4))
        said = str(error.value)
        assert "wanted one more of its 4 endpoints, all are in use" in said
        for one in taken:
            assert f"{one.qualifier} by {one.holder} until 2026-11-20T13:00:00+00:00" in said
        assert said.endswith("; not ours: DEFAULT")
        assert len(endpoints.pool_of(sandbox.arn, sandbox.stored).leases) == 3

        assert sandbox.release(taken[1])
        sandbox.take(image(4))
        assert taken[1].qualifier not in sandbox.names()

    def test_one_holder_s_end_is_not_the_other_s(self, sandbox):
        first, second = sandbox.take(image(1)), sandbox.take(image(1), "pr-2", hours=2)
        sandbox.clock.after(minutes=90)

        assert sandbox.sweep().deleted == ()
        assert not sandbox.release(first)
        assert sandbox.release(second)
        assert sandbox.sweep().deleted == (first.qualifier,)
        assert sandbox.names() == set()


class TestSweeping:
    def test_a_deletion_that_was_begun_is_finished_by_the_next(self, sandbox):
        taken = sandbox.take(image(1))
        sandbox.release(taken)

        class Dies(AgentCoreControl):
            def delete_endpoint(self, runtime_arn, name):
                raise KeyboardInterrupt

        sandbox.control = Dies(sandbox.client)
        with pytest.raises(KeyboardInterrupt):
            sandbox.sweep()
        sandbox.control = AgentCoreControl(sandbox.client)
        assert endpoints.pool_of(sandbox.arn, sandbox.stored).deleting == (taken.qualifier,)

        again = sandbox.take(image(1))  # which finishes it first, and makes it anew
        assert sandbox.names() == {again.qualifier}
        assert endpoints.pool_of(sandbox.arn, sandbox.stored).deleting == ()

    def test_an_endpoint_of_ours_in_no_lease_is_told_and_left(self, sandbox):
        sandbox.control.describe(sandbox.arn)  # and so it is ready
        sandbox.control.create_endpoint(sandbox.arn, "dg_elsewhere", "1")
        sandbox.control.create_endpoint(sandbox.arn, "production", "1")

        swept = sandbox.sweep()

        assert (swept.deleted, swept.unknown) == ((), ("dg_elsewhere",))
        assert sandbox.names() == {"dg_elsewhere", "production"}

    def test_who_takes_while_it_is_swept_has_it_in_the_end(self, sandbox):
        taken = sandbox.take(image(1))
        sandbox.release(taken)
        begun, go = threading.Event(), threading.Event()

        class Waits(AgentCoreControl):
            def delete_endpoint(self, runtime_arn, name):
                super().delete_endpoint(runtime_arn, name)
                begun.set()
                go.wait(10)

        slow = AgentCoreControl(sandbox.client)
        sandbox.control = Waits(sandbox.client)
        with ThreadPoolExecutor(1) as pool:
            sweeping = pool.submit(sandbox.sweep)
            begun.wait(10)
            again = sandbox.take(image(1), "pr-2", control=slow)
            go.set()
            sweeping.result(30)
        assert slow.endpoint(sandbox.arn, again.qualifier).live_version == again.runtime_version


class TestTheStandin:
    @pytest.mark.parametrize(
        ("operation", "asked", "error"),
        [
            ("get_agent_runtime", {"agentRuntimeId": "x"}, "ValidationException"),
            ("get_agent_runtime", {"agentRuntimeVersion": "7"}, "ResourceNotFoundException"),
            ("get_agent_runtime_endpoint", {"endpointName": "no"}, "ResourceNotFoundException"),
            ("delete_agent_runtime_endpoint", {"endpointName": "DEFAULT"}, "ConflictException"),
            (
                "create_agent_runtime_endpoint",
                {"name": "e", "agentRuntimeVersion": "7"},
                "ResourceNotFoundException",
            ),
        ],
    )
    def test_an_error_is_the_services_own(self, sandbox, operation, asked, error):
        with pytest.raises(ClientError) as raised:
            getattr(sandbox.client, operation)(**{"agentRuntimeId": sandbox.id, **asked})
        assert raised.value.response["Error"]["Code"] == error

    def test_it_takes_as_many_endpoints_as_are_leased_out_and_no_more(self, sandbox):
        assert endpoints.ENDPOINTS == 10
        sandbox.control.describe(sandbox.arn)
        for number in range(9):
            sandbox.control.create_endpoint(sandbox.arn, f"e{number}", "1")
        with pytest.raises(InfrastructureFailed, match="at most 10 endpoints"):
            sandbox.control.create_endpoint(sandbox.arn, "e9", "1")


@pytest.mark.parametrize("uri", [f"{IMAGE}:latest", IMAGE])
def test_an_image_is_wanted_by_its_digest(uri):
    with pytest.raises(ValueError, match="sha256"):
        ContainerImage(uri=uri)


@pytest.fixture
def command(sandbox, cli):
    """`driftgate sandbox endpoint`, on a laptop, in the account that the stand-in plays."""
    variables = {
        "AWS_ENDPOINT_URL_BEDROCK_AGENTCORE_CONTROL": sandbox.client.meta.endpoint_url,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }
    sandbox.control.describe(sandbox.arn)  # and so it is ready
    return lambda *words: cli("sandbox", "endpoint", *words, **variables)


class TestTheCommand:
    def test_an_endpoint_is_taken_shown_released_and_swept(self, sandbox, command):
        words = ("take", sandbox.arn, "--image", image(0).uri, "--as", "pr-17", "--json")
        taken = command(*words)

        assert taken.code == 0, taken.err
        name = taken.json["qualifier"]
        assert (taken.json["runtime_version"], taken.json["holder"]) == ("1", "pr-17")
        target = f"{{kind: agentcore, runtime_arn: {sandbox.arn}, qualifier: {name}}}"
        assert target in taken.err
        listed = command("list", "--json").json
        assert [(one["endpoint"], one["holder"]) for one in listed[0]["leases"]] == [
            (name, "pr-17")
        ]
        held = command("sweep", "--json")
        assert (held.code, held.json[0]["deleted"]) == (0, [])
        assert command("release", sandbox.arn, name, "--as", "pr-17").code == 0
        again = command("release", sandbox.arn, name, "--as", "pr-17")
        assert (again.code, again.out) == (2, "")
        assert "pr-17 has no lease of dg_" in again.err
        assert command("sweep", "--json").json[0]["deleted"] == [name]
        assert sandbox.names() == set()

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (("--image", f"{IMAGE}:latest"), "wanted an image by its digest"),
            (("--code", "s3://code/a.zip"), "wanted code as s3://bucket/key with --code-version"),
        ],
    )
    def test_what_can_not_be_pinned_is_refused(self, sandbox, command, words, said):
        done = command("take", sandbox.arn, "--as", "me", *words)

        assert (done.code, done.out) == (2, "")
        assert said in done.err
