"""The operations on reference tables: who may, what is taken, how refusals are answered."""

import pytest

from actors.reference.csv_file import CsvMistake
from actors.reference_messages import LoadTable, Refused, RollBack

TABLES = "/api/v1/reference"
CSV = {"Content-Type": "text/csv; charset=utf-8"}
FILE = "product;platform\nMAX;X\n"


def test_the_tables_are_listed_and_sorted(site):
    answer = site.get(TABLES, scope="viewer").json()
    assert [item["table"] for item in answer["items"]] == ["PRDPTF", "infoRP"]
    assert answer["items"][0]["rows"] == 5
    by_rows = site.get(f"{TABLES}?sort=rows&order=asc").json()["items"]
    assert [item["table"] for item in by_rows] == ["infoRP", "PRDPTF"]


def test_a_row_is_shown_or_is_not_there(site):
    answer = site.get(f"{TABLES}/PRDPTF/rows/MAX")
    assert answer.json() == {
        "table": "PRDPTF",
        "version": 2,
        "row": {"product": "MAX", "platform": "X"},
    }
    assert site.get(f"{TABLES}/PRDPTF/rows/MIN").rule == (404, "no-such-row", "key")


def test_a_file_is_loaded_as_it_is_or_in_json(site):
    reference = site.services.reference
    path = f"{TABLES}/PRDPTF"
    assert (
        site.ask("PUT", f"{path}?force=true&reason=new", FILE.encode(), headers=CSV).status == 200
    )
    assert site.ask("PUT", path, {"csv": FILE, "reason": " new "}).json()["version"] == 2
    by = site.who["operator"]
    first, second = reference.asked
    assert first == LoadTable("PRDPTF", "", FILE.encode(), True, by, "new")
    assert second == LoadTable("PRDPTF", "", FILE.encode(), False, by, "new")


def test_a_load_that_takes_longer_than_a_request_may_is_answered_as_begun(site):
    site.services.reference.late = True
    answer = site.ask("PUT", f"{TABLES}/infoRP", FILE.encode(), headers=CSV)
    assert (answer.status, answer.json()["table"]) == (202, "infoRP")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "csv"),
        ({"csv": FILE, "file": "/etc/passwd"}, "csv"),
        ({"file": "/etc/passwd"}, "file"),
        ({"csv": 5}, "csv"),
    ],
)
def test_a_file_comes_along_and_is_not_looked_for_on_the_node(site, body, field):
    answer = site.ask("PUT", f"{TABLES}/PRDPTF", body)
    assert answer.rule == (400, "invalid-value", field)
    assert site.services.reference.asked == []


@pytest.mark.parametrize(
    ("content_type", "body", "rule"),
    [
        ("text/csv", b"\xff", (400, "malformed-body", "body")),
        ("text/csv; charset=latin-1", b"a", (400, "invalid-value", "Content-Type")),
        ("text/plain", b"a", (415, "unsupported-media-type", "Content-Type")),
    ],
)
def test_what_is_no_text_of_unicode_is_refused(site, content_type, body, rule):
    headers = {"Content-Type": content_type}
    assert site.ask("PUT", f"{TABLES}/PRDPTF", body, headers=headers).rule == rule


def test_the_mistakes_of_a_file_are_told_with_line_and_column(site):
    mistake = CsvMistake("upload", "given", 2, "platform", "")
    site.services.reference.refused = Refused("invalid-file", "words", "file", (mistake,))
    answer = site.ask("PUT", f"{TABLES}/PRDPTF", FILE.encode(), headers=CSV)
    assert answer.rule == (422, "table-file-invalid", "file")
    assert answer.json()["mistakes"] == [
        {"line": 2, "column": "platform", "rule": "given", "value": ""}
    ]


@pytest.mark.parametrize(
    ("why", "status"),
    [("unknown-table", 404), ("busy", 409), ("too-few-rows", 409), ("no-previous", 409)],
)
def test_a_refusal_is_a_problem_that_says_why(site, why, status):
    site.services.reference.refused = Refused(why, "rule")
    answer = site.post(f"{TABLES}/PRDPTF/rollback", {"reason": "oops"})
    assert (answer.status, answer.json()["why"]) == (status, why)
    assert site.services.reference.asked == [RollBack("PRDPTF", site.who["operator"], "oops")]


@pytest.mark.parametrize("scope", ["viewer", "ivr", "cti"])
def test_only_operators_load_and_go_back(site, scope):
    assert site.ask("PUT", f"{TABLES}/PRDPTF", {"csv": FILE}, scope=scope).status == 403
    assert site.post(f"{TABLES}/PRDPTF/rollback", scope=scope).status == 403
