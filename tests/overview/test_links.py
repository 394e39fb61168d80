"""Every link of every Markdown page leads to a file, and to a heading of it, as code hosts see them."""

import re
from pathlib import Path

import pytest

from groundwork.common import paths
from groundwork.common.params import read_params
from groundwork.overview.summary import write_summary
from made_up import write_studies

ROOT = Path(__file__).parents[2]


def headings(page: Path) -> set[str]:
    """The anchors of a page, by the rule that code hosts publish: no punctuation, small letters, hyphens."""
    found = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    texts = [re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading) for heading in found]
    return {re.sub(r"[^\w\- ]|[²³¹½¼¾]", "", text.lower()).replace(" ", "-") for text in texts}


def broken(folder: Path) -> list[str]:
    lost = []
    for page in sorted(folder.glob("*.md")):
        for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
            file, _, heading = target.partition("#")
            place = folder / file if file else page
            if "://" not in target and (not place.exists() or (heading and heading not in headings(place))):
                lost.append(f"{page.name}: {target}")
    return lost


def test_links_of_the_committed_pages_lead_somewhere():
    assert list((ROOT / "reports").glob("*.md"))
    assert broken(ROOT / "reports") == []


@pytest.mark.parametrize("lost", ["planck.md", "planck.md#nowhere", "#nowhere"])
def test_links_between_made_up_pages_lead_somewhere(tmp_path, monkeypatch, lost):
    monkeypatch.chdir(tmp_path)
    shipped = read_params(ROOT / "params.yaml")
    write_summary(shipped.model_copy(update={"studies": {name: shipped.studies[name] for name in write_studies()}}))
    (paths.REPORTS / "learning_rate.md").write_text("# One\n")
    (paths.REPORTS / "planck.md").write_text("# Two\n")
    assert broken(paths.REPORTS) == []
    (paths.REPORTS / "learning_rate.md").write_text(f"[lost]({lost})\n")
    (paths.REPORTS / "planck.md").unlink()
    assert broken(paths.REPORTS) != []
