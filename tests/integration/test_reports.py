"""The reports as a reader meets them: the one HTML page, the links, the tables for programs."""

import re
from urllib.parse import unquote

import pandas as pd


def test_the_html_page_needs_nothing_else(elsewhere):
    html = (elsewhere.root / "reports/index.html").read_text(encoding="utf-8")
    sources = re.findall(r'src="([^"]*)"', html)
    figures, strips = ((elsewhere.root / "reports").glob(files) for files in ("figures/*/*", "strips/*"))
    assert len(sources) == len([*figures, *strips])
    assert all(source.startswith("data:image/") for source in sources)
    without_files = re.sub('"data:[^"]*"', '""', html)
    assert not re.search(r"@import|<script src|<iframe|url\(", without_files)
    links = {unquote(link) for link in re.findall(r'href="([^"]+)"', without_files)}
    assert links <= {f"#{name}" for name in re.findall(r'id="([^"]*)"', html)}


def test_the_html_page_shows_no_tags(elsewhere):
    html = (elsewhere.root / "reports/index.html").read_text(encoding="utf-8")
    assert re.findall("&lt;/?[a-z]+&gt;", html) == []


def test_links_between_the_pages_lead_somewhere(elsewhere):
    for page in (elsewhere.root / "reports").glob("*.md"):
        for target in re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target.partition("#")[0]).exists(), f"{page.name}: {target}"


def test_the_tables_for_programs(elsewhere, stages):
    studies = [name.removeprefix("report@") for name in stages if name.startswith("report@")]
    claims = pd.read_csv(elsewhere.root / "reports/claims.csv")
    assert list(claims["study"].unique()) == studies
    assert list(claims)[1:] == ["claim", "holds", "replicates", "effect", "ci_low", "ci_high", "verdict"]
    assert set(claims["verdict"]) <= {"holds", "fails", "undecided"}
    printed = pd.read_csv(elsewhere.root / "reports/printed_values.csv")
    names = ["source", "item", "quantity", "setting", "printed", "mean", "sd", "low", "high", "replicates", "verdict"]
    assert list(printed) == names
    assert set(printed["verdict"]) <= {"exact", "consistent", "explained", "inconsistent"}
    assert not printed.duplicated(["source", "item", "quantity", "setting"]).any()
