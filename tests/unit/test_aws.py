"""The adapters on S3 and DynamoDB under faults that only a network has.

A real botocore client talks to a server in this process that keeps the two conditional writes and
drops, refuses or cuts what a test tells it to. What the services do without faults is asked of the
emulator, elsewhere.
"""

import json
import threading
import time
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from driftgate import registry
from driftgate.adapters.aws import DynamoRegistry, S3Artifacts
from driftgate.adapters.clock import SystemClock
from driftgate.errors import AlreadyPublished, BadInput, IntegrityFailed, Throttled
from tests.builders import bank, case

CLOCK = SystemClock()


class Service(BaseHTTPRequestHandler):
    """GET and conditional PUT of S3 objects, GetItem and conditional PutItem of DynamoDB.

    The server's `faults` say what happens to the next writes: None (nothing), "lost" (it is done,
    then the connection breaks), "broken" (the connection breaks before), or a status and a code.
    As many reads as `cuts` says break off before the last byte.
    """

    protocol_version = "HTTP/1.1"

    def do_PUT(self):
        body = self._body()
        self._write(lambda: self._put_object(body))

    def _put_object(self, body):
        assert self.headers["If-None-Match"] == "*"
        if self.path in self.server.objects:
            return 412, "PreconditionFailed"
        self.server.objects[self.path] = body
        return 200, ""

    def do_GET(self):
        data = self.server.objects.get(self.path)
        if data is None:
            self._send(404, b"<Error><Code>NoSuchKey</Code></Error>")
        elif self.server.cuts:
            self.server.cuts -= 1
            self._send(200, data[:-1], length=len(data))
            self.close_connection = True
        else:
            self._send(200, data)

    def do_POST(self):
        asked = json.loads(self._body())
        if self.headers["X-Amz-Target"].endswith("GetItem"):
            item = self.server.objects.get(str(asked["Key"]))
            assert asked["ConsistentRead"]
            self._send(200, json.dumps({"Item": item} if item else {}).encode())
        else:
            self._write(lambda: self._put_item(asked))

    def _put_item(self, asked):
        key = str({name: asked["Item"][name] for name in ("pk", "sk")})
        held = self.server.objects.get(key)
        if asked["ConditionExpression"] == "attribute_not_exists(pk)":
            holds = held is None
        else:
            assert asked["ConditionExpression"] == "#row = :expected"
            wanted = asked["ExpressionAttributeValues"][":expected"]
            holds = held is not None and held["row"] == wanted
        if not holds:
            return 400, "ConditionalCheckFailedException"
        self.server.objects[key] = asked["Item"]
        return 200, ""

    def _write(self, work):
        with self.server.lock:
            self.server.writes += 1
            fault = self.server.faults.popleft() if self.server.faults else None
            status, code = work() if fault in (None, "lost") else (0, "")
        if fault in ("lost", "broken"):
            self.close_connection = True
        else:
            self._refuse_or_accept(*(fault or (status, code)))

    def _body(self):
        return self.rfile.read(int(self.headers["Content-Length"]))

    def _refuse_or_accept(self, status, code):
        if "X-Amz-Target" in self.headers:
            self._send(status, json.dumps({"__type": code} if code else {}).encode())
        else:
            self._send(status, f"<Error><Code>{code}</Code></Error>".encode() if code else b"")

    def _send(self, status, body, length=None):
        self.send_response(status)
        self.send_header("Content-Length", str(length or len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format, *words):
        pass


@pytest.fixture
def service():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
    server.lock, server.objects, server.faults = threading.Lock(), {}, deque()
    server.writes = server.cuts = 0
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def slept(monkeypatch):
    """Waiting takes no time; how long it would have been is noted."""
    noted = []
    monkeypatch.setattr(time, "sleep", noted.append)
    return noted


@pytest.fixture
def client(service):
    made = []

    def client(name):
        made.append(
            boto3.client(
                name,
                endpoint_url=f"http://127.0.0.1:{service.server_port}",
                region_name="eu-central-1",
                aws_access_key_id="a",
                aws_secret_access_key="b",
                config=Config(s3={"addressing_style": "path"}),
            )
        )
        return made[-1]

    yield client
    for one in made:
        one.close()


@pytest.fixture
def artifacts(client):
    return S3Artifacts(client("s3"), "bucket")


@pytest.fixture
def stored(client, artifacts):
    return DynamoRegistry(client("dynamodb"), "table", artifacts)


CONFLICT = (409, "ConditionalRequestConflict")


class TestObjects:
    def test_the_first_to_write_a_key_wins(self, artifacts):
        assert artifacts.put_once("k", b"one")
        assert not artifacts.put_once("k", b"two")
        assert artifacts.get("k") == b"one"
        assert artifacts.get("other") is None

    def test_while_another_write_is_under_way_it_is_tried_again_and_then_waits_longer(
        self, service, artifacts, slept
    ):
        service.faults.extend([CONFLICT, CONFLICT, CONFLICT])
        assert artifacts.put_once("k", b"one")
        assert service.writes == 4
        assert len(slept) == 3
        for n, wait in enumerate(slept):
            assert 0.05 * 2**n <= wait <= 0.1 * 2**n

    def test_writers_that_met_do_not_wait_equally_long(self, service, artifacts, slept):
        for n in range(5):
            service.faults.append(CONFLICT)
            artifacts.put_once(f"k{n}", b"one")
        assert len(set(slept)) == 5

    def test_after_some_conflicts_it_is_left_to_a_later_attempt(self, service, artifacts, slept):
        service.faults.extend([CONFLICT] * 20)
        with pytest.raises(Throttled, match="k: other writers were in the way 6 times"):
            artifacts.put_once("k", b"one")
        assert service.writes == 6

    def test_a_conflict_with_a_writer_who_won_is_a_key_that_is_taken(
        self, service, artifacts, slept
    ):
        artifacts.put_once("k", b"one")
        service.faults.append(CONFLICT)
        assert not artifacts.put_once("k", b"two")
        assert artifacts.get("k") == b"one"

    def test_a_lost_answer_changes_nothing_of_what_is_stored(self, service, artifacts, slept):
        """botocore asks again and meets its own object, so nobody knows who wrote it."""
        service.faults.append("lost")
        assert not artifacts.put_once("k", b"one")
        assert service.writes == 2
        assert artifacts.get("k") == b"one"

    @pytest.mark.parametrize("fault", ["broken", (503, "SlowDown"), (500, "InternalError")])
    def test_what_botocore_retries_succeeds(self, service, artifacts, slept, fault):
        service.faults.extend([fault, fault])
        assert artifacts.put_once("k", b"one")
        assert service.writes == 3

    def test_a_refusal_is_raised(self, service, artifacts):
        service.faults.append((403, "AccessDenied"))
        with pytest.raises(ClientError, match="AccessDenied"):
            artifacts.put_once("k", b"one")

    def test_a_failed_write_among_many_is_raised(self, service, artifacts):
        service.faults.append((403, "AccessDenied"))
        with pytest.raises(ClientError):
            artifacts.put_all_once({f"k{n}": b"x" for n in range(20)})

    def test_a_content_that_broke_off_is_read_again(self, service, artifacts):
        artifacts.put_once("k", b"one")
        service.cuts = 2
        assert artifacts.get("k") == b"one"
        service.cuts = 3
        with pytest.raises(Throttled, match="k: the connection broke 3 times while it was read"):
            artifacts.get("k")

    def test_keys_come_from_all_pages(self):
        s3 = boto3.client(
            "s3", region_name="eu-central-1", aws_access_key_id="a", aws_secret_access_key="b"
        )
        asked = {"Bucket": "bucket", "Prefix": "p/"}
        with Stubber(s3) as stub:
            stub.add_response(
                "list_objects_v2",
                {"Contents": [{"Key": "p/2"}], "IsTruncated": True, "NextContinuationToken": "n"},
                asked,
            )
            stub.add_response(
                "list_objects_v2",
                {"Contents": [{"Key": "p/1"}], "IsTruncated": False},
                {**asked, "ContinuationToken": "n"},
            )
            assert S3Artifacts(s3, "bucket").keys("p/") == ["p/1", "p/2"]
            stub.assert_no_pending_responses()


class TestRows:
    THROTTLED = (400, "ProvisionedThroughputExceededException")

    def test_a_row_is_written_once(self, stored):
        assert stored.put_new("a/b/1", {"n": 1.0, "text": "ü"})
        assert not stored.put_new("a/b/1", {"n": 2})
        assert stored.row("a/b/1") == {"n": 1.0, "text": "ü"}
        assert stored.row("a/b/2") is None

    def test_throttling_loses_nothing(self, service, stored, slept):
        service.faults.extend([self.THROTTLED, self.THROTTLED])
        assert stored.put_new("a/b", {"n": 1})
        assert (service.writes, len(slept)) == (3, 2)

    @pytest.mark.parametrize("expected", [None, {"n": 1}])
    def test_a_pointer_whose_answer_was_lost_has_moved(self, service, stored, slept, expected):
        """botocore asks again and meets its own row: it is not somebody else's."""
        if expected:
            stored.put_new("a/b", expected)
        service.faults.append("lost")
        assert stored.replace("a/b", {"n": 2}, expected=expected)
        assert stored.row("a/b") == {"n": 2}

    @pytest.mark.parametrize("expected", [None, {"n": 0}])
    def test_a_pointer_that_somebody_else_moved_stays(self, stored, expected):
        stored.put_new("a/b", {"n": 1})
        assert not stored.replace("a/b", {"n": 2}, expected=expected)
        assert stored.row("a/b") == {"n": 1}

    def test_a_row_has_room_for_390000_bytes_whatever_its_letters(self, service, stored):
        for letter, fits in (("x", 389_989), ("ü", 194_994), ("€", 129_996), ("😀", 97_497)):
            assert stored.put_new(f"a/{letter}", {"text": letter * fits})
            with pytest.raises(BadInput, match="wanted at most 390000 bytes in one row, got 39000"):
                stored.put_new(f"a/more-{letter}", {"text": letter * (fits + 1)})
        assert service.writes == 4

    @pytest.mark.parametrize("row", [{"S": '{"n":'}, None])
    def test_a_damaged_row_is_broken_evidence(self, service, stored, row):
        stored.put_new("a/b/1", {"n": 1})
        ((key, item),) = service.objects.items()
        service.objects[key] = {**item, "row": row} if row else {"pk": item["pk"], "sk": item["sk"]}
        with pytest.raises(IntegrityFailed, match="the stored row a/b/1 is damaged"):
            stored.row("a/b/1")

    def test_rows_and_keys_come_from_all_pages_and_are_read_consistently(self):
        dynamodb = boto3.client(
            "dynamodb", region_name="eu-central-1", aws_access_key_id="a", aws_secret_access_key="b"
        )
        asked = {
            "TableName": "table",
            "KeyConditionExpression": "pk = :pk AND begins_with(sk, :start)",
            "ExpressionAttributeValues": {":pk": {"S": "dataset"}, ":start": {"S": "bank/"}},
            "ConsistentRead": True,
        }
        one, two = (
            {"pk": {"S": "dataset"}, "sk": {"S": f"bank/{n}.0.0"}, "row": {"S": f'{{"n":{n}}}'}}
            for n in (1, 2)
        )
        last = {"pk": one["pk"], "sk": one["sk"]}
        further = {"pk": one["pk"], "sk": {"S": "bank/1.9.0"}}
        stored = DynamoRegistry(dynamodb, "table", S3Artifacts(None, ""))
        with Stubber(dynamodb) as stub:
            for only in ({}, {"ProjectionExpression": "pk, sk"}):
                pages = {**asked, **only}
                stub.add_response("query", {"Items": [one], "LastEvaluatedKey": last}, pages)
                # A page may be empty and not the last one.
                stub.add_response(
                    "query",
                    {"Items": [], "LastEvaluatedKey": further},
                    {**pages, "ExclusiveStartKey": last},
                )
                stub.add_response(
                    "query", {"Items": [two]}, {**pages, "ExclusiveStartKey": further}
                )
            assert stored.rows("dataset/bank/") == [{"n": 1}, {"n": 2}]
            assert stored.keys("dataset/bank/") == ["dataset/bank/1.0.0", "dataset/bank/2.0.0"]
            stub.assert_no_pending_responses()


class TestPublishing:
    """Two writes: the blob to S3, then the row to DynamoDB."""

    @pytest.mark.parametrize(
        "faults",
        [
            ["lost"],
            [None, "lost"],
            ["lost", None, "lost"],
            [CONFLICT, "lost", CONFLICT, None, TestRows.THROTTLED, "lost"],
        ],
    )
    def test_lost_answers_and_conflicts_end_in_one_whole_version(
        self, service, stored, slept, faults
    ):
        service.faults.extend(faults)
        row = registry.publish_dataset(bank(), stored, CLOCK, author="me")
        assert not service.faults
        assert registry.load_dataset(row, stored) == bank()
        assert len(service.objects) == 2

    def test_a_lost_answer_does_not_hide_that_another_content_was_first(
        self, service, stored, slept
    ):
        first = registry.publish_dataset(bank(), stored, CLOCK, author="me")
        service.faults.extend(["lost", None, "lost"])
        with pytest.raises(AlreadyPublished) as refused:
            registry.publish_dataset(bank(case()), stored, CLOCK, author="me")
        assert first.sha256 in str(refused.value)
        assert bank(case()).sha256 in str(refused.value)

    def test_where_the_answers_never_come_the_next_try_completes(self, service, stored, slept):
        service.faults.extend([None] + ["lost"] * 30)
        with pytest.raises(Exception, match="Connection was closed"):
            registry.publish_dataset(bank(), stored, CLOCK, author="me")
        service.faults.clear()
        row = registry.publish_dataset(bank(), stored, CLOCK, author="me")
        assert registry.load_cases(row, stored) == bank().cases


class TestRemoving:
    """A row and an object are deleted for good, and a second time is no fault."""

    def test_of_a_row_it_is_told_whether_there_was_one(self):
        dynamodb = boto3.client("dynamodb", region_name="eu-west-1")
        key = {"pk": {"S": "draft.support"}, "sk": {"S": "a/b"}}
        with Stubber(dynamodb) as stub:
            for answer in ({"Attributes": key}, {}):
                wanted = {"TableName": "reviews", "Key": key, "ReturnValues": "ALL_OLD"}
                stub.add_response("delete_item", answer, wanted)
            rows = DynamoRegistry(dynamodb, "reviews", None)
            assert [rows.remove("draft.support/a/b") for _ in range(2)] == [True, False]

    def test_of_an_object_too(self):
        s3 = boto3.client("s3", region_name="eu-west-1")
        place = {"Bucket": "traces", "Key": "traces/a"}
        with Stubber(s3) as stub:
            stub.add_client_error("get_object", "NoSuchKey", expected_params=place)
            stub.add_response("delete_object", {}, place)
            assert not S3Artifacts(s3, "traces").remove("traces/a")
