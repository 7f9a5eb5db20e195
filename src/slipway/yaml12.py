"""YAML 1.2, as DVC reads it: the only YAML reader and writer of the engine.

PyYAML follows YAML 1.1, in which `0200` is 128, `1e-5` is a string, `no` is false and `12:30:00` is 45000. DVC reads
the same files as YAML 1.2 through ruamel.yaml, and so do GitHub and Kubernetes. A file must have one meaning, so this
module calls ruamel.yaml as DVC does. A contract in pyproject.toml forbids PyYAML in the engine. Functions import
ruamel.yaml, so that a command which reads no YAML starts faster.
"""

from __future__ import annotations

import io
import re
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from ruamel.yaml import YAML
    from ruamel.yaml.nodes import Node, ScalarNode
    from ruamel.yaml.representer import SafeRepresenter

SAFE_PLAIN = re.compile(r"[A-Za-z_./][A-Za-z0-9_./@+-]*")
"""A string that needs no quotes, unless it is one of RESERVED_WORDS."""
RESERVED_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null", ".inf", ".nan", ".", "_"})
"""Plain scalars that are not strings in YAML 1.1 or in YAML 1.2, in lower case."""
LINE_WIDTH = 4096  # characters; long strings stay on one line


class YamlError(ValueError):
    """Invalid YAML. The message is one line, with the line number of the error where it is known."""


def parse(text: str) -> Any:
    """Return the content of `text`, or None where it is empty. Raises YamlError."""
    return _guarded(lambda yaml: yaml.load(text))


def parse_mapping(text: str) -> dict[str, Any]:
    """Return the mapping in `text`, which is empty for an empty text. Raises YamlError for other content."""
    content = parse(text)
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise YamlError(f"a {type(content).__name__} where a mapping `key: value` is required")
    return content


def compose(text: str) -> Node:
    """Return the node tree of `text`, with positions. Raises YamlError."""
    root: Node = _guarded(lambda yaml: yaml.compose(text))
    return root


def dump(content: Any) -> str:
    """Return `content` as YAML in block style, with its keys in order.

    Strings that a YAML 1.1 or 1.2 reader could take for another type are quoted.
    """
    from ruamel.yaml import YAML

    yaml, written = YAML(typ="safe", pure=True), io.StringIO()
    yaml.default_flow_style, yaml.width = False, LINE_WIDTH
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]  # ruamel.yaml declares it as None
    yaml.Representer = _representer()
    yaml.dump(content, written)
    return written.getvalue()


def edited(text: str, edit: Callable[[dict[str, Any]], None]) -> str:
    """Return `text` with its content changed by `edit`; comments and quotes stay."""
    from ruamel.yaml import YAML

    yaml, written = YAML(), io.StringIO()
    yaml.preserve_quotes, yaml.width = True, LINE_WIDTH
    content = yaml.load(text)
    edit(content)
    yaml.dump(content, written)
    return written.getvalue()


@cache
def _representer() -> type[SafeRepresenter]:
    """Return a class of representers that quote strings which resemble another type."""
    from ruamel.yaml.representer import SafeRepresenter

    class Representer(SafeRepresenter):
        pass

    Representer.add_representer(str, _represent_text)
    Representer.add_representer(float, _represent_float)
    return Representer


def _represent_text(representer: SafeRepresenter, value: str) -> ScalarNode:
    plain = (
        SAFE_PLAIN.fullmatch(value) and value.lower() not in RESERVED_WORDS and not re.fullmatch(r"[.\d_eE+-]*", value)
    )
    return representer.represent_scalar("tag:yaml.org,2002:str", value, style=None if plain else '"')


def _represent_float(representer: SafeRepresenter, value: float) -> ScalarNode:
    node = representer.represent_float(value)
    if "e" in node.value and "." not in node.value:
        node.value = node.value.replace("e", ".0e")  # YAML 1.1 reads 1e-05 as a string
    return node


def _guarded(read: Callable[[YAML], Any]) -> Any:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        return read(YAML(typ="safe"))
    except RecursionError:
        raise YamlError("nested too deeply") from None
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}: " if mark else ""
        raise YamlError(f"{where}{_one_line(error.problem or error.context or 'invalid YAML')}") from None
    except (YAMLError, ValueError, TypeError, OverflowError, AttributeError, KeyError) as error:
        raise YamlError(_one_line(str(error))) from None  # such as an invalid date or an unhashable key


def _one_line(text: str) -> str:
    return " ".join(text.split()) or "invalid YAML"
