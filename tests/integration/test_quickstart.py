"""docs/quickstart.md, typed by somebody who follows it: what it promises is what comes."""

import re

from tests.conftest import ROOT
from tests.integration.test_init import shell

PAGE = (ROOT / "docs" / "quickstart.md").read_text()
BLOCK = re.compile(r"^```(sh|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MARK = "=== block"


def test_every_block_says_the_lines_below_it(tmp_path):
    blocks = BLOCK.findall(PAGE)
    commands = [text for kind, text in blocks if kind == "sh"]
    promised = [text.splitlines() for kind, text in blocks if kind == "text"]
    assert [kind for kind, _ in blocks] == ["sh", "text"] * len(commands)
    assert len(commands) == 5
    script = "".join(f"echo '{MARK}'\n{block}" for block in commands)
    code, said = shell(f"set -e\n{script}", tmp_path)
    assert code == 0, said
    for lines, told in zip(promised, said.split(f"{MARK}\n")[1:], strict=True):
        for line in lines:
            assert line in told
