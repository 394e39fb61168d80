"""reports/index.html as its readers meet it, in a real browser: the site of made-up studies, and the one committed."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from chromium import browser, missing
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from groundwork.common.params import read_params
from groundwork.overview.summary import write_summary
from made_up import write_studies

ROOT = Path(__file__).parents[2]
COMMITTED = ROOT / "reports/index.html"
MOST_BYTES = 5_600_000

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing())

OPEN_EVERYTHING = """
    for (const box of document.querySelectorAll('details')) box.open = true;
    for (const article of document.querySelectorAll('article')) article.style.contentVisibility = 'visible';
"""
TOO_WIDE = """
    const most = document.documentElement.clientWidth;
    const inBox = element => element.closest('.wide, pre, nav, .unseen, .cards thead');
    return [...document.body.querySelectorAll('*')].filter(element => !inBox(element.parentElement))
        .filter(element => element.getBoundingClientRect().right > most + 1)
        .map(element => element.outerHTML.slice(0, 200));
"""
STRUCTURE = """
    const all = selector => [...document.querySelectorAll(selector)];
    const shown = element => element.outerHTML.slice(0, 200);
    const ids = all('[id]').map(element => element.id);
    const levels = all('h1, h2, h3, h4, h5, h6').map(heading => Number(heading.tagName[1]));
    const page = location.href.split('#')[0];
    return {
        'ids twice': ids.filter((id, place) => ids.indexOf(id) !== place),
        'links nowhere': all('a[href]').filter(link => link.href.split('#')[0] === page)
            .filter(link => !document.getElementById(decodeURIComponent(link.hash.slice(1)))).map(shown),
        'links without text': all('a')
            .filter(link => !link.textContent.trim() && !link.querySelector('img')).map(shown),
        'links to files': all('a[href]')
            .filter(link => !/^(#|https:|data:text\\/csv)/.test(link.getAttribute('href'))).map(shown),
        'labels nowhere': all('[aria-labelledby]')
            .filter(element => !document.getElementById(element.getAttribute('aria-labelledby'))).map(shown),
        'pictures without words': all('img').filter(image => !image.alt.trim()).map(shown),
        'pictures from elsewhere': all('[src]').filter(image => !image.src.startsWith('data:image/')).map(shown),
        'heading levels skipped': levels.filter((level, place) => level > (levels[place - 1] ?? 0) + 1),
        'tables without caption': all('table').filter(table => !table.caption?.textContent.trim()).map(shown),
        'headers without scope': all('th').filter(header => !header.scope).map(shown),
        'not one of them': ['h1', 'main', 'nav', 'header'].filter(name => all(name).length !== 1),
    };
"""
FAINT = """
    const rgba = text => { const [r, g, b, a = 1] = text.match(/[\\d.]+/g).map(Number); return {rgb: [r, g, b], a}; };
    const light = rgb => rgb.map(c => c / 255).map(c => c <= .03928 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4)
        .reduce((sum, c, i) => sum + c * [.2126, .7152, .0722][i], 0);
    const behind = element => {
        for (; element; element = element.parentElement) {
            const found = rgba(getComputedStyle(element).backgroundColor);
            if (found.a === 1) return found.rgb;
        }
        return [255, 255, 255];
    };
    const seen = new Map();
    for (const element of document.body.querySelectorAll('*')) {
        if (![...element.childNodes].some(node => node.nodeType === 3 && node.data.trim())) continue;
        if (element.matches('script, style')) continue;
        const [ink, paper] = [rgba(getComputedStyle(element).color).rgb, behind(element)];
        const [dark, bright] = [light(ink), light(paper)].sort((a, b) => a - b);
        const ratio = (bright + .05) / (dark + .05);
        if (ratio < 4.5) seen.set(`${ink} on ${paper}`, element.outerHTML.slice(0, 120));
    }
    return [...seen];
"""
RESOURCES = (
    "return performance.getEntriesByType('resource').map(entry => entry.name).filter(name => !name.startsWith('data:'))"
)


@pytest.fixture(scope="module")
def driver() -> Iterator[Chrome]:
    with browser(1400, 900) as driver:
        yield driver


@pytest.fixture(scope="module")
def made_up(tmp_path_factory) -> Path:
    """The site of two studies, as `groundwork summary` writes it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("site"))
        shipped = read_params(ROOT / "params.yaml")
        studies = {name: shipped.studies[name] for name in write_studies()}
        write_summary(shipped.model_copy(update={"studies": studies}))
        return Path("reports/index.html").resolve()


@pytest.fixture(params=["made up", "committed"])
def site(request, made_up) -> str:
    return (made_up if request.param == "made up" else COMMITTED).as_uri()


def opened(driver: Chrome, address: str, width: int = 1400, scheme: str = "light") -> None:
    """The page as one finds it: nothing scrolled, nothing opened, nothing in the log."""
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    wishes = {"prefers-color-scheme": scheme, "prefers-reduced-motion": "reduce"}
    features = [{"name": name, "value": value} for name, value in wishes.items()]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    driver.get("about:blank")
    driver.get_log("browser")
    driver.get(address)


def test_nothing_is_broken(driver, site):
    opened(driver, site)
    found = driver.execute_script(STRUCTURE)
    assert {problem: places for problem, places in found.items() if places} == {}
    assert driver.execute_script(RESOURCES) == []
    assert driver.get_log("browser") == []


@pytest.mark.parametrize("width", [400, 1400])
def test_nothing_overflows(driver, site, width):
    opened(driver, site, width)
    driver.execute_script(OPEN_EVERYTHING)
    assert driver.execute_script(TOO_WIDE) == []
    assert driver.execute_script("return document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_background(driver, site, scheme):
    opened(driver, site, scheme=scheme)
    driver.execute_script(OPEN_EVERYTHING)
    assert driver.execute_script(FAINT) == []


def test_the_keyboard_finds_the_content_first(driver, site):
    opened(driver, site)
    driver.find_element(By.TAG_NAME, "body").send_keys(Keys.TAB)
    skip = driver.switch_to.active_element
    assert skip.text == "Skip to the content"
    assert skip.rect["y"] >= 0
    assert driver.execute_script("return getComputedStyle(arguments[0]).outlineStyle", skip) == "solid"
    skip.send_keys(Keys.ENTER)
    driver.switch_to.active_element.send_keys(Keys.TAB)
    assert driver.execute_script("return Boolean(document.activeElement.closest('main a'))")


def test_a_link_into_a_closed_section_opens_it(driver, made_up):
    opened(driver, made_up.as_uri())
    assert driver.execute_script("return document.querySelectorAll('details[open]').length") == 0
    opened(driver, made_up.as_uri() + "#learning_rate-settings")
    assert driver.find_element(By.ID, "learning_rate-settings").is_displayed()
    assert driver.find_element(By.CSS_SELECTOR, "#learning_rate details[open] table").is_displayed()


def test_a_figure_is_there_once_and_shows_wherever_it_is_spoken_of(driver, made_up):
    html = made_up.read_text(encoding="utf-8")
    assert html.count('alt="A dot."') == 1
    opened(driver, made_up.as_uri())
    again = driver.find_elements(By.CSS_SELECTOR, "a.again img")
    assert [image.get_attribute("alt") for image in again] == ["A dot."]
    assert driver.execute_script("return arguments[0].decode().then(() => arguments[0].naturalWidth)", again[0]) > 0


def test_claims_can_be_filtered_by_verdict(driver, made_up):
    opened(driver, made_up.as_uri() + "#claims")
    rows = driver.find_elements(By.CSS_SELECTOR, "#claims tr:has(td.verdict)")
    labels = {label.text: label for label in driver.find_elements(By.CSS_SELECTOR, "#claims .filter label")}
    assert list(labels) == ["all (24)", "holds (22)", "fails (1)", "undecided (1)"]
    labels["fails (1)"].click()
    assert [row.find_element(By.TAG_NAME, "th").text for row in rows if row.is_displayed()] == ["It fails."]
    labels["all (24)"].click()
    assert all(row.is_displayed() for row in rows)


def test_all_is_there_without_scripts(driver, made_up):
    driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        opened(driver, made_up.as_uri())
        link = driver.find_element(By.CSS_SELECTOR, "a.again")
        assert link.text == "A dot."
        link.click()
        assert driver.current_url.endswith("#figures-learning_rate-loss")
        assert len(driver.find_elements(By.CSS_SELECTOR, "#claims tr:has(td.verdict)")) == 24
    finally:
        driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_the_committed_page_holds_every_study_and_is_not_too_heavy():
    html = COMMITTED.read_text(encoding="utf-8")
    for study in json.loads((ROOT / "reports/metrics.json").read_text(encoding="utf-8")):
        assert f'<article id="{study}"' in html
    assert COMMITTED.stat().st_size < MOST_BYTES
