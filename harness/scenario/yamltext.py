"""YAML text → plain data plus the place of every key and value. Safe on hostile input: nothing is constructed but
strings, numbers, booleans, null, lists and dicts; size, depth and aliases are bounded."""

from __future__ import annotations

import codecs
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.errors import ScenarioError
from harness.model import Json

MAX_BYTES = 256 * 1024
MAX_NODES = 20_000
MAX_DEPTH = 40
MAX_MESSAGE = 400
NOUN = "a scenario file"
NEEDS = "a scenario needs at least `version`, `name` and `workers`"

_SCALARS = ("str", "int", "float", "bool", "null", "timestamp")
_TOO_DEEP = f"nested deeper than {MAX_DEPTH} levels"
_OLD_YAML = re.compile(r"^%YAML[ \t]+(?!1\.2\b)\S{1,20}", re.MULTILINE)
_NO_TEXT = re.compile("[\0\ud800-\udfff]")
_PROPERTIES = re.compile(r"(?:[&!]\S*\s+)*")
_WRITTEN = {
    "": re.compile(r".", re.DOTALL),
    "'": re.compile(r"''|.", re.DOTALL),
    '"': re.compile(r"\\(?:x\w{2}|u\w{4}|U\w{8}|.)|.", re.DOTALL),
}

Path_ = tuple[str | int, ...]
"""A way into the data: keys and indexes from the root."""


@dataclass(slots=True)
class Document:
    """``data`` as `json.loads` would give it; ``keys`` and ``values``: path → (line, column), both from 1.
    ``scalars``: path → (style, start, end) of a scalar in ``text``; the style is ``|``, ``>``, a quote or nothing."""

    file: str
    text: str
    data: Json
    keys: dict[Path_, tuple[int, int]] = field(default_factory=dict)
    values: dict[Path_, tuple[int, int]] = field(default_factory=dict)
    scalars: dict[Path_, tuple[str, int, int]] = field(default_factory=dict)

    def error(self, path: Path_, message: str) -> ScenarioError:
        """An error at the nearest place known for ``path``: its key, else its value, else its parent's."""
        while path and path not in self.keys and path not in self.values:
            path = path[:-1]
        return error_at(self.file, self.keys.get(path) or self.values.get(path) or (1, 1), message)

    def text_at(self, path: Path_, key: str) -> Path_:
        """The path of the text under ``key`` of the mapping at ``path``, or of the bare text that stands for it."""
        return path if path in self.scalars else (*path, key)

    def error_in_text(self, path: Path_, offset: int | None, message: str) -> ScenarioError:
        """An error ``offset`` characters into the scalar at ``path``."""
        if path not in self.scalars or offset is None:
            return self.error(path, message)
        style, start, end = self.scalars[path]
        at = start + _in_source(self.text[start:end], style, _at(self.data, path)[:offset])
        return error_at(self.file, _place(self.text, at), message)


def read(path: Path, *, noun: str = NOUN, needs: str = NEEDS) -> Document:
    """Read and parse ``path``. Raises `ScenarioError` (one line, with place) for anything wrong with it. ``noun``: what
    it is, for messages; ``needs``: what must be in it."""
    return parse(str(path), read_text(path, noun=noun), noun=noun, needs=needs)


def read_text(path: Path, *, noun: str) -> str:
    """The text of ``path``, of bounded size. Raises `ScenarioError`."""
    file = str(path)
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise error_at(file, (1, 1), "is a directory")
        if not stat.S_ISREG(mode):
            raise error_at(file, (1, 1), "is not a regular file")
        with path.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
    except (OSError, ValueError) as e:
        raise error_at(file, (1, 1), f"cannot be read: {getattr(e, 'strerror', None) or e}") from None
    if len(raw) > MAX_BYTES:
        raise error_at(file, (1, 1), f"larger than {MAX_BYTES // 1024} KiB: not {noun}")
    raw = raw.removeprefix(codecs.BOM_UTF8)
    try:
        return raw.decode()
    except UnicodeDecodeError as e:
        good = raw[: e.start].decode()
        raise error_at(file, _place(good, len(good)), f"not UTF-8: byte 0x{raw[e.start]:02x}") from None


def parse(file: str, text: str, *, noun: str = NOUN, needs: str = NEEDS) -> Document:
    """Parse one YAML document. Raises `ScenarioError`."""
    from ruamel.yaml import YAML
    from ruamel.yaml.composer import MaxDepthExceededError
    from ruamel.yaml.error import MarkedYAMLError, YAMLError
    from ruamel.yaml.reader import ReaderError

    if old := _OLD_YAML.search(text):
        raise error_at(file, _place(text, old.start()), f"{old[0]}: {noun} is YAML 1.2")
    document = Document(file=file, text=text, data=None)
    yaml = YAML(typ="safe", pure=True)
    yaml.max_depth = MAX_DEPTH + 1
    yaml.composer.warn_double_anchors = False
    try:
        node = yaml.compose(text)
    except MaxDepthExceededError as e:
        raise _marked(file, e.problem_mark, _TOO_DEEP) from None
    except MarkedYAMLError as e:
        problem = e.problem or e.context
        if problem == "but found another document":
            raise _marked(file, e.problem_mark, f"a second document: {noun} holds one") from None
        raise _marked(file, e.problem_mark or e.context_mark, f"not YAML: {problem}") from None
    except ReaderError as e:
        message = f"not YAML: character #x{e.character:04x} is not allowed"
        raise error_at(file, _place(text, e.position), message) from None
    except YAMLError as e:
        raise error_at(file, (1, 1), f"not YAML: {e}") from None
    except RecursionError:
        raise error_at(file, (1, 1), _TOO_DEEP) from None
    if node is None:
        raise error_at(file, (1, 1), f"empty: {needs}")
    _Builder(document).build(node)
    return document


class _Builder:
    def __init__(self, document: Document) -> None:
        self.document = document
        self.nodes = 0

    def build(self, node: Any) -> None:
        self.document.data = self._value(node, (), 0)

    def _fail(self, node: Any, message: str) -> ScenarioError:
        return _marked(self.document.file, node.start_mark, message)

    def _value(self, node: Any, path: Path_, depth: int) -> Json:
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise self._fail(node, f"more than {MAX_NODES} values once aliases are expanded")
        if depth > MAX_DEPTH:
            raise self._fail(node, _TOO_DEEP)
        self.document.values[path] = (node.start_mark.line + 1, node.start_mark.column + 1)
        kind = self._kind(node)
        if node.id == "mapping":
            return self._mapping(node, path, depth)
        if node.id == "sequence":
            return [self._value(child, (*path, i), depth + 1) for i, child in enumerate(node.value)]
        start, end = node.start_mark.index, node.end_mark.index
        start += len(_PROPERTIES.match(self.document.text[start:end])[0])  # type: ignore[index]  # it matches nothing, too
        self.document.scalars[path] = (node.style or "", start, end)
        return self._scalar(node, kind)

    def _kind(self, node: Any) -> str:
        tag = str(node.tag)
        kind = tag.removeprefix("tag:yaml.org,2002:")
        plain = {"mapping": ("map",), "sequence": ("seq",)}.get(node.id, _SCALARS)
        if kind not in plain:
            shown = f"!!{kind}" if kind != tag and kind.isalnum() else tag
            raise self._fail(node, f"tag {shown} is not allowed: use plain YAML values")
        return kind

    def _mapping(self, node: Any, path: Path_, depth: int) -> Mapping[str, Json]:
        data: dict[str, Json] = {}
        for key_node, value_node in node.value:
            key = key_node.value
            if key_node.id != "scalar":
                raise self._fail(key_node, "a key must be a plain word")
            self._kind(key_node)
            self._check_text(key_node)
            if key in data:
                raise self._fail(key_node, f"key {key!r} stands here twice")
            self.document.keys[(*path, key)] = (key_node.start_mark.line + 1, key_node.start_mark.column + 1)
            data[key] = self._value(value_node, (*path, key), depth + 1)
        return data

    def _scalar(self, node: Any, kind: str) -> Json:
        text = node.value
        try:
            match kind:
                case "int":
                    return int(text, 0) if text[:2].lower() in ("0x", "0o") else int(text)
                case "float":
                    return float(text)
                case "bool":
                    return text.lower() == "true"
                case "null":
                    return None
        except ValueError:
            raise self._fail(node, f"{text[:40]!r} is not a valid {kind}") from None
        self._check_text(node)
        return text

    def _check_text(self, node: Any) -> None:
        """What PostgreSQL cannot store cannot be meant."""
        if bad := _NO_TEXT.search(node.value):
            raise self._fail(node, f"character \\u{ord(bad[0]):04x} is not allowed in text")


def _marked(file: str, mark: Any, message: str) -> ScenarioError:
    return error_at(file, (mark.line + 1, mark.column + 1) if mark else (1, 1), message)


def error_at(file: str, place: tuple[int, int], message: str) -> ScenarioError:
    """One clean line of bounded length, whatever the file put into it."""
    message = " ".join(message.split())
    if len(message) > MAX_MESSAGE:
        message = message[: MAX_MESSAGE - 1] + "…"
    return ScenarioError(_printable(file), *place, _printable(message))


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def _place(text: str, index: int) -> tuple[int, int]:
    """Line and column, from 1, of a character of ``text``."""
    before = text[:index].replace("\r\n", "\n").replace("\r", "\n")
    return before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1


def _in_source(source: str, style: str, before: str) -> int:
    """The index in a scalar's ``source`` of the character that follows ``before`` in its value.

    Folding and indentation only ever change white space: so the n-th other character of the value is the n-th other
    character of the source."""
    wanted = sum(not c.isspace() for c in before)
    begin = source.find("\n") + 1 if style in ("|", ">") and style else len(style)
    end = begin
    for match in _WRITTEN.get(style, _WRITTEN[""]).finditer(source, begin, len(source) - (style in ("'", '"'))):
        if _written(match[0], style).isspace():
            continue
        if wanted == 0:
            return match.start()
        wanted -= 1
        end = match.end()
    return end


def _written(text: str, style: str) -> str:
    """The character that ``text`` stands for in a scalar of ``style``: exact only in being white space or not."""
    if style != '"' or text[0] != "\\":
        return text
    return chr(int(text[2:], 16)) if text[1] in "xuU" else " " if text[1] in "tnvNLP_ \t\r\n" else text[1]


def _at(data: Json, path: Path_) -> Any:
    for part in path:
        data = data[part]
    return data
