"""YAML as plain data: no tags, no aliases and nothing huge, so a small file is never a large or a strange thing."""

from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.composer import Composer, ComposerError
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import ScalarEvent

from groundwork.common.errors import ParamsError, one_line

MOST_BYTES = 2**18  # ten times what is shipped
MOST_VALUES = 10_000
MOST_CHARACTERS = 1_000  # of one value
MOST_DEPTH = 20


class PlainComposer(Composer):
    """Refuses what is not plain before it becomes a Python object."""

    values = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.parser.peek_event()
        self.values += 1
        problem = None
        if event.anchor is not None:  # through aliases ten lines can stand for a billion values
            problem = f"{event.anchor} is an anchor or an alias: write the values themselves"
        elif event.ctag is not None:
            problem = f"{event.tag} is a tag: values are numbers, texts, lists and mappings only"
        elif self.depth >= MOST_DEPTH:
            problem = f"nested too deep; allowed: at most {MOST_DEPTH} levels"
        elif self.values > MOST_VALUES:
            problem = f"too many values; allowed: at most {MOST_VALUES}"
        elif isinstance(event, ScalarEvent) and len(event.value) > MOST_CHARACTERS:
            problem = f"a value of {len(event.value)} characters; allowed: at most {MOST_CHARACTERS}"
        if problem:
            raise ComposerError(None, None, problem, event.start_mark)
        return super().compose_node(parent, index)


def read_plain(path: Path) -> Any:
    """The content of a YAML file; anything wrong is a `ParamsError` of one line."""
    yaml = YAML(typ="safe", pure=True)
    yaml.Composer = PlainComposer
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise ParamsError(f"{path}: too large; allowed: at most {MOST_BYTES >> 10} KiB")
        return yaml.load(content.decode())
    except FileNotFoundError:
        raise ParamsError(f"{path} is not here: run this from the root of the repository") from None
    except OSError as error:
        raise ParamsError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ParamsError(f"{path}: not UTF-8 text ({error.reason} at byte {error.start})") from None
    except MarkedYAMLError as error:
        where = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ParamsError(f"{path}{where}: {one_line(error.problem)}") from None
    except (YAMLError, ValueError) as error:  # a control character, the month 13
        raise ParamsError(f"{path}: not YAML: {one_line(error)}") from None
