"""An archive is unpacked once, however many workers run it."""

import os
import threading
from pathlib import Path

from tests.emulator.conftest import archive

WHERE = """
import os, time, pathlib
def handler(event, context):
    time.sleep(0.3)
    here = pathlib.Path(__file__).parent
    return [os.getpid(), str(here.resolve()), str(here), sorted(p.name for p in here.iterdir())]
"""


def test_two_workers_share_the_unpacked_code(cloud):
    function = cloud.function(WHERE)
    answers = []
    threads = [
        threading.Thread(target=lambda: answers.append(cloud.call(function))) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    (one, folder_one, seen_one, files), (two, folder_two, seen_two, _) = answers
    assert one != two
    assert folder_one == folder_two
    assert seen_one != seen_two
    assert "code.py" in files


def test_new_code_is_seen(cloud):
    function = cloud.function("def handler(event, context): return 1")
    assert cloud.call(function) == 1
    code = archive({"code.py": "def handler(event, context): return 2"})
    cloud.lambdas.update_function_code(FunctionName=function, ZipFile=code)
    assert cloud.call(function) == 2


def test_a_deleted_function_leaves_the_unpacked_code_to_others(cloud):
    one, two = cloud.function(WHERE), cloud.function(WHERE)
    _, folder, *_ = cloud.call(one)
    cloud.lambdas.delete_function(FunctionName=one)
    assert os.listdir(folder)  # noqa: PTH208
    assert Path(cloud.call(two)[1]) == Path(folder)
