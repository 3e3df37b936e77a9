"""Emulators start, stand side by side and leave nothing behind."""

import json
import os
import signal
import subprocess
import sys
import threading

import pytest

from driftgate.errors import BadInput, InfrastructureFailed
from local import instances
from local.instances import Instances
from tests.conftest import ROOT
from tests.emulator.conftest import Cloud, eventually

SLEEP = "import time\ndef handler(event, context): time.sleep(60)"


@pytest.fixture
def own(tmp_path):
    started = Instances(tmp_path)
    yield started
    for instance in started.running():
        started.stop(instance.name)


def group(pid):
    """The processes of a group, without those that only wait to be collected."""
    listed = subprocess.run(
        ["/bin/ps", "-eo", "pgid=,stat="], capture_output=True, text=True, check=True
    )
    rows = (line.split() for line in listed.stdout.splitlines())
    return [state for number, state in rows if int(number) == pid and "Z" not in state]


def test_two_instances_share_nothing(own):
    one, two = own.start("one")[0], own.start("two")[0]
    one.client("s3").create_bucket(Bucket="only-in-one")

    assert one.port != two.port
    assert two.client("s3").list_buckets()["Buckets"] == []
    assert [found.name for found in own.running()] == ["one", "two"]
    assert own.stop("one") is True
    assert [found.name for found in own.running()] == ["two"]


def test_starting_what_runs_changes_nothing_and_starting_it_otherwise_is_an_error(own):
    first, new = own.start("one")
    assert new is True
    assert own.start("one") == (first, False)
    with pytest.raises(BadInput, match="runs without authorization, wanted it with"):
        own.start("one", auth=True)


def test_two_starts_at_once_make_one_instance(own):
    started = []
    threads = [threading.Thread(target=lambda: started.append(own.start("one"))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({instance.pid for instance, _ in started}) == 1
    assert sorted(new for _, new in started) == [False, False, True]


def test_stopping_ends_busy_workers_too_and_leaves_no_files(own, tmp_path):
    instance, _ = own.start("one")
    cloud = Cloud(instance)
    function = cloud.function(SLEEP, Timeout=100)
    cloud.lambdas.invoke(FunctionName=function, InvocationType="Event")
    eventually(lambda: len(group(instance.pid)) == 2)

    own.stop("one")
    assert group(instance.pid) == []
    assert own.find("one") is None
    assert not (tmp_path / "local" / "one" / "tmp").exists()
    assert own.stop("one") is False


def test_a_killed_emulator_is_noticed_though_its_number_is_taken_again(own, tmp_path):
    instance, _ = own.start("one")
    os.killpg(instance.pid, signal.SIGKILL)
    eventually(lambda: own.find("one") is None)

    path = tmp_path / "local" / "one" / "instance.json"
    written = json.loads(path.read_text())
    path.write_text(json.dumps({**written, "pid": os.getpid()}))
    assert own.find("one") is None
    assert own.stop("one") is False
    again, new = own.start("one")
    assert new is True
    assert again.pid != instance.pid


def test_what_an_interrupted_start_left_is_ended_by_the_next(own, tmp_path):
    instance, _ = own.start("one")
    (tmp_path / "local" / "one" / "instance.json").unlink()
    own.start("one")
    assert group(instance.pid) == []


def test_a_start_that_fails_shows_the_log(own, tmp_path, monkeypatch):
    monkeypatch.setattr(instances, "SERVE", "local.no_such_module")
    with pytest.raises(InfrastructureFailed, match=r"No module named local.*no_such"):
        own.start("one")
    assert own.running() == []


def test_another_version_of_the_emulator_is_refused():
    code = "from local.emulator import serve; serve.PINNED = '0.0.1'; serve.main()"
    done = subprocess.run(
        [instances.EMULATOR_PYTHON, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "gaps are filled for 0.0.1" in done.stderr


def test_a_reset_empties_it_and_what_ran_stays_ended(own):
    instance, _ = own.start("one")
    cloud = Cloud(instance)
    cloud.s3.create_bucket(Bucket="full")
    own.reset("one")
    assert cloud.s3.list_buckets()["Buckets"] == []


def test_handlers_see_nothing_of_the_users_environment(own, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://elsewhere.invalid")
    monkeypatch.setenv("AWS_PROFILE", "production")
    cloud = Cloud(own.start("one")[0])
    code = "import os\ndef handler(e, c): return dict(os.environ)"
    environment = cloud.call(cloud.function(code))
    assert "AWS_PROFILE" not in environment
    assert environment["AWS_ENDPOINT_URL"] == cloud.instance.endpoint_url


STANDINS = """
import argparse, http.server, json, pathlib
arguments = argparse.ArgumentParser()
arguments.add_argument("--instance")
arguments.add_argument("--port", type=int)
given = arguments.parse_args()
json.loads(pathlib.Path(given.instance).read_text())["endpoint_url"]
handler = http.server.SimpleHTTPRequestHandler
http.server.HTTPServer(("127.0.0.1", given.port), handler).serve_forever()
"""


def test_stand_ins_start_and_stop_with_the_emulator_and_are_new_after_a_reset(
    own, tmp_path, monkeypatch
):
    serve = tmp_path / "standins.py"
    serve.write_text(STANDINS)
    monkeypatch.setattr(instances, "STANDINS", serve)
    monkeypatch.setattr(instances, "STANDINS_COMMAND", [sys.executable, str(serve)])
    instance, _ = own.start("one")
    cloud = Cloud(instance)
    client = "boto3.client('bedrock-agentcore')"
    code = f"import boto3\ndef handler(event, context): return {client}.meta.endpoint_url"

    assert instance.standins_pid is not None
    assert cloud.call(cloud.function(code)) == instance.standins_url
    assert instance.client("bedrock-agentcore").meta.endpoint_url == instance.standins_url
    again = own.reset("one")
    assert again.standins_pid != instance.standins_pid
    assert again.standins_url == instance.standins_url
    assert own.get("one") == again
    assert group(instance.standins_pid) == []
    own.stop("one")
    assert group(again.standins_pid) == []


class TestAuthorization:
    @pytest.fixture
    def cloud(self, own):
        return Cloud(own.start("guarded", auth=True)[0])

    def test_a_function_may_what_its_role_allows_and_a_tls_policy_does_not_stop_it(self, cloud):
        cloud.s3.create_bucket(Bucket="guarded")
        cloud.s3.put_object(Bucket="guarded", Key="open/a", Body=b"1")
        everything = "arn:aws:s3:::guarded/*"
        policy = {
            "Version": "2012-10-17",
            "Statement": [
                {
                    **{"Effect": "Deny", "Principal": "*", "Action": "s3:*"},
                    "Resource": ["arn:aws:s3:::guarded", everything],
                    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
                }
            ],
        }
        cloud.s3.put_bucket_policy(Bucket="guarded", Policy=json.dumps(policy))
        allowed = {
            "Version": "2012-10-17",
            "Statement": [
                {
                    **{"Effect": "Allow", "Action": "s3:GetObject"},
                    "Resource": "arn:aws:s3:::guarded/open/*",
                }
            ],
        }
        code = (
            "import boto3\n"
            "def handler(key, c):\n"
            "    boto3.client('s3').get_object(Bucket='guarded', Key=key)\n"
        )
        function = cloud.function(code, role=cloud.role("reader", "lambda", allowed))
        assert cloud.call(function, "open/a") is None
        refused = cloud.call(function, "closed/a")
        assert "AccessDenied" in refused["errorMessage"]
