"""No file names the machine that it was made on, or a host that packages come from."""

import re
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
HOSTS = ["py" + "pi", "python" + "hosted", "npm" + "js", "ana" + "conda", "download.py" + "torch"]  # split, so that
OPTIONS = ["--index" + "-url", "--extra-index" + "-url", "--find" + "-links", "@ fi" + "le:"]  # this file has none
FORBIDDEN = {
    "path of a machine": re.compile(r"(?<![\w.$}>-])/(home|root|work|Users|tmp|private|mnt)/\w"),
    "host of packages": re.compile(rf"\b[\w.-]*({'|'.join(HOSTS)})[\w-]*\.(org|com|io|net)\b"),
    "place of packages": re.compile("|".join(OPTIONS)),
}


def tracked() -> list[str]:
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=REPOSITORY, capture_output=True, check=True
    )
    return [name for name in listed.stdout.decode().split("\0")[:-1] if (REPOSITORY / name).is_file()]


@pytest.mark.parametrize("kind", FORBIDDEN)
def test_nothing_of_a_machine(kind):
    found = []
    for name in tracked():
        text = (REPOSITORY / name).read_bytes().decode("utf-8", "replace")
        found += [f"{name}: {match[0]}" for match in FORBIDDEN[kind].finditer(text)]
    assert found == []


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("path of a machine", "cache: /ho" + "me/someone/.cache"),
        ("host of packages", "https://" + HOSTS[0] + ".org/simple"),
        ("host of packages", "registry." + HOSTS[2] + ".org"),
    ],
)
def test_the_patterns_find_what_they_should(kind, text):
    assert FORBIDDEN[kind].search(text)
