"""One invocation, one run of the agent: who asks the same again gets the answer that there is.

AWS clients, proxies and queues repeat a request whose answer they did not see. An agent that acts
would then act twice.

    repeats = Repeats()

    @app.entrypoint
    def invoke(payload, context):
        return repeats.answer(context.session_id, payload, lambda: run(payload))

Standard library only.
"""

import hashlib
import json
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Repeats(Generic[T]):
    """The latest answers, by session and payload.

    By the session alone, a conversation's second turn would get the first one's answer. So users
    who may say the same twice need something in the payload that counts: {{turn_number}} in the
    manifest's request does.
    """

    def __init__(self, most: int = 1000) -> None:
        """`most` answers are kept, those that were given longest ago go first."""
        if most < 1:
            raise ValueError(f"most: wanted 1 or more, got {most}")
        self._most = most
        self._answers: OrderedDict[tuple[str, str], Future[T]] = OrderedDict()
        self._lock = threading.Lock()

    def answer(self, session_id: str | None, payload: Any, work: Callable[[], T]) -> T:
        """What `work` returns, or returned when the same was asked before.

        Whoever asks while it runs waits for it. If it fails, all who wait are told so, and nothing
        is kept: whoever asks next runs it again. An answer that can be read only once, as a stream,
        must be made a list by `work`.

        Args:
            session_id: without one, nobody can tell a repetition from another user, and it runs.
            payload: the request's JSON; the order of its keys does not matter.
        """
        if not session_id:
            return work()
        key = (session_id, _digest(payload))
        with self._lock:
            answer = self._answers.get(key)
            if is_first := answer is None:
                answer = self._answers[key] = Future()
            self._answers.move_to_end(key)
        assert answer is not None
        if not is_first:
            return answer.result()
        try:
            answer.set_result(work())
        except BaseException as error:
            with self._lock:
                del self._answers[key]
            answer.set_exception(error)
            raise
        self._forget(key)
        return answer.result()

    def _forget(self, latest: tuple[str, str]) -> None:
        """Never what is still running: a second run of it would begin."""
        with self._lock:
            self._answers.move_to_end(latest)  # what took long is what is asked for again
            done = [key for key, answer in self._answers.items() if answer.done()]
            for key in done[: max(0, len(done) - self._most)]:
                del self._answers[key]


def _digest(payload: Any) -> str:
    text = json.dumps(payload, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
