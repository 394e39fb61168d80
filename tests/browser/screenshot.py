"""A picture of a study's charts in MLflow's UI, for the README, from the runs of this checkout.

By hand, at the root of the repository: python tests/browser/screenshot.py STUDY OUT.png
"""

import sys

from chromium import browser
from selenium.webdriver.common.by import By
from selenium.webdriver.support.expected_conditions import element_to_be_clickable
from selenium.webdriver.support.ui import WebDriverWait

from groundwork.tracking.store import connected, deep_link, tracking_uri
from groundwork.ui import free_port, server

NOT_OURS = ["mlflow.assistant.chat_panel.close", "mlflow.experiment_page.shared_view.dismiss"]  # panels that open first
CHARTS_FILL_THEIR_CARDS = """
    const charts = [...document.querySelectorAll('.js-plotly-plot')].filter(chart => chart.querySelector('.trace'));
    const card = document.querySelector("[data-testid='experiment-view-compare-runs-card']");
    const full = chart => chart.clientWidth > 0.85 * card.clientWidth;
    return charts.length > 0 && charts.every(full) && !document.getAnimations().some(
        one => one.playState == 'running' && one.effect.getTiming().iterations != Infinity);
"""


def screenshot(study: str, out: str) -> None:
    """Open the study's deep link, close the panels that cover the page, wait for the charts."""
    with connected(tracking_uri()) as client:
        experiment = client.get_experiment_by_name(study)
    if not experiment:
        sys.exit(f"MLflow has no experiment {study}: fill it with `groundwork track`")
    with server(tracking_uri(), free_port(5000)) as (base_url, _), browser(1400, 900) as driver:
        wait = WebDriverWait(driver, 60)
        driver.get(deep_link(base_url, experiment.experiment_id))
        for panel in NOT_OURS:
            wait.until(element_to_be_clickable((By.CSS_SELECTOR, f"[data-component-id='{panel}']"))).click()
        wait.until(lambda driver: driver.execute_script(CHARTS_FILL_THEIR_CARDS))
        driver.save_screenshot(out)


if __name__ == "__main__":
    screenshot(*sys.argv[1:])
