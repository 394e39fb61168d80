"""`groundwork ui` as its user sees it: the real command, the real server, a real browser."""

import os
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from urllib.parse import urlencode, urlsplit

import numpy as np
import pytest
from chromium import browser, missing
from selenium.webdriver.common.by import By
from selenium.webdriver.support.expected_conditions import visibility_of_element_located
from selenium.webdriver.support.ui import WebDriverWait

from beginning import BEGINNING
from groundwork.common import paths
from groundwork.common.params import read_params
from groundwork.common.tensors import save_tensors
from groundwork.runs import Trained, write_runs
from groundwork.tracking.store import deep_link
from groundwork.ui import free_port, server

PARAMS = (
    BEGINNING
    + """\
datasets:
  regression: {family: regression, replicates: 3, train: 10, valid: 10, w: [2, -3.4], b: 4.2, noise: 0.01}
studies:
  learning_rate:
    dataset: generated/regression
    model: linear
    replicates: 3
    block_size: 3
    fixed: {loss: squared, optimizer: sgd, batch_size: 32, epochs: 3, shuffle: true, sigma: 0.01}
    grid: {lr: LR}
"""
)
PORT = 5700


@pytest.fixture(autouse=True)
def _project(tmp_path, monkeypatch):
    """Two variants; one of them diverges."""
    monkeypatch.chdir(tmp_path)
    for name in ("MLFLOW_TRACKING_URI", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    save_tensors(paths.dataset("generated/regression"), {"train/X": np.zeros(3, np.float32)})
    train("[0.03, 0.3]")


def train(rates: str) -> None:
    paths.PARAMS.write_text(PARAMS.replace("LR", rates))
    runs = {}
    for variant in read_params().studies["learning_rate"].expand():
        losses = np.exp(-variant.settings.lr * np.arange(20, dtype=np.float32))[:, None] * np.ones(3, np.float32)
        if variant.settings.lr == 0.3:
            losses[9:] = np.inf
        history = {name: (np.arange(20), np.arange(20) / 4, losses) for name in ("train/loss", "val/loss")}
        runs[variant] = Trained({"parameter_error": losses[-1]}, history, {"w": losses[-1]})
    named = {variant.name: trained for variant, trained in runs.items()}
    write_runs(paths.runs("learning_rate"), named, {variant.name: variant.settings for variant in runs})


@contextmanager
def groundwork_ui():
    """The command's lines, up to the one that says how to end it; Ctrl-C ends it without a word of complaint."""
    command = [sys.executable, "-m", "groundwork", "ui", "--port", str(PORT)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        lines = []
        for line in process.stdout:
            lines.append(line.strip())
            if line.startswith("Ctrl-C"):
                break
        yield lines
        process.send_signal(signal.SIGINT)
        _, err = process.communicate()
        assert (process.returncode, err) == (0, "")
    finally:
        process.terminate()
        process.wait()


@pytest.mark.skipif(bool(missing()), reason=missing())
def test_the_link_opens_the_charts_of_the_current_runs():
    train("[0.03, 0.3, 7]")
    subprocess.run([sys.executable, "-m", "groundwork", "track"], check=True)
    train("[0.03, 0.3]")
    with socket.create_server(("127.0.0.1", PORT)), groundwork_ui() as lines, browser() as driver:
        assert lines[0].startswith(f"Port {PORT} is taken, using ")
        (link,) = [word for line in lines for word in line.split() if word.startswith("http://")]
        wait = WebDriverWait(driver, 30)
        driver.get(link)
        wait.until(lambda driver: "2 matching runs" in page(driver))
        wait.until(
            lambda driver: len(driver.find_elements(By.CSS_SELECTOR, ".js-plotly-plot .scatterlayer .trace")) >= 2
        )
        text = page(driver)
        for expected in ("lr=0.03", "lr=0.3", "Learning curves (2)", "val/loss", "Final values (1)"):
            assert expected in text
        assert "What does the learning rate do to linear regression?" in text
        assert "lr=7" not in text

        driver.find_element(
            By.CSS_SELECTOR, "[data-component-id='mlflow.experiment.metadata_editor.expand_button']"
        ).click()
        header = wait.until(visibility_of_element_located((By.LINK_TEXT, "Compare the current runs as charts")))
        assert header.get_attribute("href") == link

        superseded = urlencode({"searchFilter": "tags.`groundwork.status` = 'superseded'"})
        driver.get(link.split("viewStateShareKey")[0] + superseded)
        wait.until(lambda driver: "1 matching run" in page(driver) and "lr=7" in page(driver))
    assert free_port(urlsplit(link).port) == urlsplit(link).port, "the server outlived the command"


def page(driver) -> str:
    return " ".join(driver.find_element(By.TAG_NAME, "body").text.split())


def test_a_server_elsewhere_is_linked_to_without_its_password(tmp_path):
    file = tmp_path / "elsewhere.db"
    with server(f"sqlite:///{file}", free_port(PORT + 200)) as (base_url, _):
        command = [sys.executable, "-m", "groundwork"]
        elsewhere = os.environ | {"MLFLOW_TRACKING_URI": base_url.replace("//", "//me:secret@")}
        empty = subprocess.run([*command, "ui"], env=elsewhere, capture_output=True, text=True)
        assert empty.returncode == 1
        assert "has no runs of params.yaml: write them with `groundwork track`" in empty.stderr
        tracked = subprocess.run([*command, "track"], env=elsewhere, capture_output=True, text=True, check=True)
        shown = subprocess.run([*command, "ui"], env=elsewhere, capture_output=True, text=True, check=True)
        assert shown.stdout.split() == ["learning_rate", deep_link(base_url, "1")]
        assert "secret" not in empty.stderr + tracked.stdout + shown.stdout
        assert empty.stdout + tracked.stderr + shown.stderr == ""


def test_results_of_other_parameters_do_not_hide_the_earlier_runs():
    subprocess.run([sys.executable, "-m", "groundwork", "track"], check=True)
    paths.PARAMS.write_text(PARAMS.replace("LR", "[0.5]"))
    with groundwork_ui() as lines:
        assert lines[0].startswith("The newest results are not in MLflow: data/runs/learning_rate was made with other")
        assert any(word.startswith("http://") for line in lines for word in line.split())
