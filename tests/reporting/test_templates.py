"""Templates: nothing is missing in them without an error."""

import pytest
from jinja2 import UndefinedError

from groundwork.overview.index import TEMPLATES
from groundwork.reporting.pages import render
from groundwork.reporting.study_report import TEMPLATE


@pytest.mark.parametrize("template", [TEMPLATE, TEMPLATES / "index.md.j2", TEMPLATES / "index.html.j2"], ids=str)
def test_a_value_that_is_missing_is_an_error(template):
    with pytest.raises(UndefinedError):
        render(template, {})
