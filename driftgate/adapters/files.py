"""What people write: dataset folders, agent manifests and tool contracts, read into records.

Every fault is one line: file, line where there is one, field, what was wanted, what came.
"""

import io
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError

from driftgate import canonical, datasets, mocks, registry
from driftgate.errors import BadInput, InfrastructureFailed
from driftgate.schemas.attacks import AttackPlan
from driftgate.schemas.cases import Case
from driftgate.schemas.contracts import ToolContract
from driftgate.schemas.datasets import Dataset, DatasetHeader
from driftgate.schemas.drift import RecordedCall
from driftgate.schemas.judge_calibration import Label
from driftgate.schemas.judgments import JudgeSpec
from driftgate.schemas.manifests import (
    AgentCoreTarget,
    AgentVersion,
    Code,
    Manifest,
    RecordedTarget,
)
from driftgate.schemas.record import Record, explain
from driftgate.schemas.traces import Trace
from driftgate.traces import envelopes

AnyRecord = TypeVar("AnyRecord", bound=Record)


class _Loader(yaml.SafeLoader):
    """YAML with what can be misread or grows without end refused: keys given twice, aliases, deep
    nesting, and values that are not of the type they look like.
    """

    _depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
        if self.check_event(yaml.AliasEvent):
            raise yaml.MarkedYAMLError(problem="an alias; write it out", problem_mark=mark)
        if self._depth == canonical.MAX_DEPTH:
            deep = f"nested deeper than {canonical.MAX_DEPTH} levels"
            raise yaml.MarkedYAMLError(problem=deep, problem_mark=mark)
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def compose_mapping_node(self, anchor: Any) -> Any:
        node = super().compose_mapping_node(anchor)
        seen = set()
        for key, _ in node.value:
            if (key.tag, str(key.value)) in seen:
                twice = f"key given twice: {key.value}"
                raise yaml.MarkedYAMLError(problem=twice, problem_mark=key.start_mark)
            seen.add((key.tag, str(key.value)))
        return node

    def construct_object(self, node: Any, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (ValueError, LookupError, AttributeError) as error:
            said = f"{node.value!r}: {error}; put it in quotes if it is a text"
            raise yaml.MarkedYAMLError(problem=said, problem_mark=node.start_mark) from error


def written(record: Record) -> str:
    """A record's YAML as somebody would write it: without what goes without saying."""
    content = record.model_dump(mode="json", exclude_defaults=True)
    text: str = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=100)
    return text


HEADER_FILE, CASES_FILE, MANIFEST_FILE = "dataset.yaml", "cases.jsonl", "agent.yaml"


def read_dataset(folder: Path) -> Dataset:
    """Read dataset.yaml and cases.jsonl of a folder. Raises BadInput with every fault found."""
    header = _read_yaml(folder / HEADER_FILE, DatasetHeader)
    path = folder / CASES_FILE
    cases, faults = [], []
    first_line: dict[str, int] = {}
    for number, line in enumerate(_read_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            case = datasets.read_case(line)
            datasets.check_case(case, header)
            if case.case_id in first_line:
                also = first_line[case.case_id]
                raise ValueError(f"case_id: {case.case_id!r} is given on line {also} already")
        except ValueError as error:
            faults.append(f"{path}:{number}: {error}")
        else:
            first_line[case.case_id] = number
            cases.append(case)
    if not cases and not faults:
        faults = [f"{path}: wanted at least one case, the file has none"]
    if faults:
        raise BadInput("\n".join(faults))
    return datasets.build(header, cases)


def write_dataset(folder: Path, header: DatasetHeader, cases: Iterable[Case]) -> None:
    """Write dataset.yaml and cases.jsonl."""
    folder.mkdir(parents=True, exist_ok=True)
    head = header.model_dump(mode="json", exclude_defaults=True)
    text = yaml.safe_dump(head, sort_keys=False, allow_unicode=True)
    if yaml.safe_load(text) != head:  # YAML folds some of Unicode's line breaks
        text = yaml.safe_dump(head, sort_keys=False)
    (folder / HEADER_FILE).write_text(text, encoding="utf-8")
    lines = (case.model_dump_json(exclude_defaults=True) for case in cases)
    (folder / CASES_FILE).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def write_cases(path: Path, cases: Iterable[Case]) -> None:
    """Write cases to a new file, a line for each: all of them, or nothing."""
    lines = [f"{case.model_dump_json(exclude_defaults=True)}\n" for case in cases]
    for line in lines:
        datasets.read_case(line)  # it reads back
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write("".join(lines))
    except OSError as error:
        raise BadInput(f"{path}: can't write it: {error.strerror}") from error


def read_attack_plan(path: Path) -> AttackPlan:
    return _read_yaml(path, AttackPlan)


def write_new_dataset(folder: Path, dataset: Dataset) -> None:
    """Write a dataset so that it reads back the same: the whole folder appears, or nothing.

    Raises:
        BadInput: the folder holds something, or is the one we are in.
    """
    require_empty(folder)
    folder = folder.resolve()
    if folder == Path.cwd():
        raise BadInput(f"{folder}: wanted a new folder, this is the current one")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".", dir=folder.parent) as beside:
        whole = Path(beside) / folder.name
        write_dataset(whole, dataset.header, dataset.cases)
        if read_dataset(whole) != dataset:
            raise InfrastructureFailed(f"{folder}: what was written does not read back the same")
        whole.rename(folder)  # fails if the folder holds something by now


def require_empty(folder: Path) -> None:
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise BadInput(f"{folder}: wanted a new or empty folder, it holds something")


def read_agent(path: Path) -> tuple[AgentVersion, bytes | None]:
    """Read a manifest and all it points to, and seal it with its digest.

    Args:
        path: the manifest, or a folder with an agent.yaml.

    Returns:
        The version, and the bytes that its `code_sha256` is of: the code as a zip archive, or the
        recorded traces; None for a target that only has an address.
    """
    path = manifest_path(path)
    manifest = _read_yaml(path, Manifest)
    contracts = [_read_contract(file) for file in _glob(path, "contracts", manifest.contracts)]
    contracts.sort(key=lambda contract: contract.tool)
    for first, second in pairwise(contracts):
        if first.tool == second.tool:
            raise BadInput(f"{path}: contracts: two contracts for the tool {first.tool!r}")
    prompts = {name: _read_text(path.parent / name) for name in manifest.prompts}
    code = _code(path, manifest)
    sha256 = canonical.sha256(code) if code is not None else None
    return registry.seal_agent(manifest, contracts, prompts, sha256), code


def manifest_path(path: Path) -> Path:
    return path / MANIFEST_FILE if path.is_dir() else path


def unpack(archive: bytes, folder: Path) -> None:
    """Lay out an agent's stored code in a folder."""
    with zipfile.ZipFile(io.BytesIO(archive)) as files:
        for entry in files.infolist():
            Path(files.extract(entry, folder)).chmod(entry.external_attr >> 16 & 0o777)


def _read_contract(path: Path) -> ToolContract:
    contract = _read_yaml(path, ToolContract)
    try:
        mocks.check_contract(contract)
    except ValueError as error:
        said = str(error)
        raise BadInput(f"{place(path, said.partition(':')[0])}: {said}") from error
    return contract


def _code(path: Path, manifest: Manifest) -> bytes | None:
    target = manifest.target
    if isinstance(target, RecordedTarget):
        return read_traces(path.parent / target.traces)
    if isinstance(target, AgentCoreTarget) or target.code is None:
        return None
    return _pack(path, target.code)


def read_traces(path: Path) -> bytes:
    """Recorded traces, one JSON object a line, checked."""
    text = _read_text(path)
    first_line: dict[tuple[str, int], int] = {}
    for number, trace in _read_lines(path, text, Trace):
        also = first_line.setdefault((trace.case_id, trace.trial), number)
        if also != number:
            trial = f"trial {trace.trial} of {trace.case_id!r}"
            raise BadInput(f"{path}:{number}: {trial} is given on line {also} already")
    return text.encode()


def read_span_records(path: Path) -> Iterator[Any]:
    """Span and event records, in any form in which CloudWatch, S3 or OTLP hand them over."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BadInput(f"{path}: can't read it: {error.strerror}") from error
    try:
        yield from envelopes.read(data)
    except ValueError as error:
        raise BadInput(f"{path}: {error}") from error


def read_labels(path: Path) -> list[Label]:
    """People's answers to a judge's questions, one JSON object a line."""
    labels = [label for _, label in _read_lines(path, _read_text(path), Label)]
    if not labels:
        raise BadInput(f"{path}: wanted at least one label, the file has none")
    return labels


def read_recorded_calls(path: Path) -> dict[str, RecordedCall]:
    """Recorded real calls, one JSON object a line, by the place where each stands."""
    lines = _read_lines(path, _read_text(path), RecordedCall)
    calls = {f"{path}:{number}": call for number, call in lines}
    if not calls:
        raise BadInput(f"{path}: wanted at least one recorded call, the file has none")
    return calls


def read_judge(path: Path) -> JudgeSpec:
    """Who judges, from a judge.yaml."""
    return _read_yaml(path, JudgeSpec)


def _read_lines(path: Path, text: str, kind: type[AnyRecord]) -> Iterator[tuple[int, AnyRecord]]:
    """The records of JSON lines, each with its number. Raises BadInput at the first fault."""
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            yield number, kind.model_validate(canonical.load(line))
        except ValidationError as error:
            raise BadInput(f"{path}:{number}: {explain(error)}") from error
        except ValueError as error:
            raise BadInput(f"{path}:{number}: not a JSON object on one line: {error}") from error


def _pack(path: Path, code: Code) -> bytes:
    """The code's files as an archive whose bytes depend on names and contents alone."""
    root = (path.parent / code.root).resolve()
    files = _glob_all(path, "target.code.include", root, code.include)
    if not files:
        raise BadInput(
            f"{path}: target.code.include: no file matches {list(code.include)} in {root}"
        )
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for file in files:
            entry = zipfile.ZipInfo(file.relative_to(root).as_posix())  # dated 1980, as it should
            entry.external_attr = (0o755 if file.stat().st_mode & 0o100 else 0o644) << 16
            archive.writestr(entry, file.read_bytes())
    return buffer.getvalue()


def _glob(path: Path, field: str, patterns: Sequence[str]) -> list[Path]:
    found = []
    for pattern in patterns:
        matches = _glob_all(path, field, path.parent, [pattern])
        if not matches:
            raise BadInput(f"{path}: {field}: no file matches {pattern!r}")
        found += matches
    return found


def _glob_all(path: Path, field: str, root: Path, patterns: Sequence[str]) -> list[Path]:
    try:
        found = {file for pattern in patterns for file in root.glob(pattern)}
    except (NotImplementedError, ValueError, IndexError) as error:
        wanted = f"wanted patterns relative to {root}, got {list(patterns)}"
        raise BadInput(f"{place(path, field)}: {field}: {wanted}: {error}") from error
    return sorted(f for f in found if f.is_file() and "__pycache__" not in f.parts)


def _read_yaml(path: Path, kind: type[AnyRecord]) -> AnyRecord:
    text = _read_text(path)
    try:
        return kind.model_validate(_Loader(text).get_single_data())
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        said = f"{chr(error.character)!r}: {error.reason}"
        raise BadInput(f"{path}:{line}: not YAML: {said}") from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise BadInput(f"{path}:{line}: not YAML: {error.problem}") from error
    except ValidationError as error:
        said = explain(error)
        raise BadInput(f"{place(path, said.partition(':')[0])}: {said}") from error


def place(path: Path, field: str) -> str:
    """A YAML file with the line of a field, or of the innermost part of its path that is there."""
    node = _Loader(_read_text(path)).get_single_node()
    line = 1
    parts = field.split(".")
    for index, part in enumerate(parts):
        if isinstance(node, yaml.MappingNode):
            found = [(key, value) for key, value in node.value if key.value == part]
        elif isinstance(node, yaml.SequenceNode) and part.isdigit():
            found = [(item, item) for item in node.value[int(part) :][:1]]
        else:
            found = []
        rest = index + 1 < len(parts)
        if not found or (rest and isinstance(found[0][1], yaml.ScalarNode)):
            continue  # a union's tag, which stands in the path but not in the file
        key, node = found[0]
        line = key.start_mark.line + 1
    return f"{path}:{line}"


def line_of_case(folder: Path, case_id: str) -> str:
    """cases.jsonl with the line of a case that was read from it."""
    path = folder / CASES_FILE
    for number, line in enumerate(_read_text(path).split("\n"), start=1):
        if line.strip() and datasets.read_case(line).case_id == case_id:
            return f"{path}:{number}"
    raise ValueError(f"{path} has no case {case_id!r}")


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise BadInput(f"{path}: not UTF-8 text: {error}") from error
    except OSError as error:
        raise BadInput(f"{path}: can't read it: {error.strerror}") from error
