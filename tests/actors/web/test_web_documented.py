"""docs/http.md says what the code does."""

import re
from pathlib import Path

from actors.web import operations, problems
from protocols.http import idempotency, problem
from protocols.http.problem import ProblemType

TEXT = (Path(__file__).parents[3] / "docs" / "http.md").read_text(encoding="utf-8")


def test_every_problem_is_documented_with_its_status():
    rows = re.findall(r"^\| (`[a-z`, -]+`) \| (\d{3}) \|", TEXT, re.MULTILINE)
    documented = {
        (slug, int(status)) for row, status in rows for slug in re.findall("[a-z-]+", row)
    }
    kinds = [kind for module in (problem, idempotency, problems) for kind in vars(module).values()]
    exist = {(kind.slug, kind.status) for kind in kinds if isinstance(kind, ProblemType)}
    assert documented == exist


def test_every_operation_is_documented():
    for operation in operations.http("1", metrics_public=False):
        last = operation.doc.path.rpartition("/")[2]
        assert (
            f"`{operation.doc.method} {operation.doc.path}" in TEXT
            or f"`{last}`" in TEXT
            or (f"`.../{last}`" in TEXT)
        ), operation.doc.name
