import json

from protocols.http import problem
from protocols.http.problem import HttpProblem, ProblemType


def catalogue():
    return [kind for kind in vars(problem).values() if isinstance(kind, ProblemType)]


def test_every_kind_of_problem_has_its_own_uri_and_an_error_status():
    kinds = catalogue()
    assert len({kind.uri for kind in kinds}) == len(kinds) > 10
    assert all(400 <= kind.status <= 599 for kind in kinds)


def test_the_body_has_the_members_of_rfc_9457_and_names_field_and_rule():
    error = problem.invalid("depth", "an integer from 0 to 64")
    assert json.loads(error.body()) == {
        "type": "urn:vigie:problem:invalid-value",
        "title": "A value breaks a rule",
        "status": 400,
        "detail": "depth must be an integer from 0 to 64",
        "field": "depth",
        "rule": "an integer from 0 to 64",
    }


def test_extension_members_follow_and_never_replace_the_standard_ones():
    error = HttpProblem(problem.STALE_REVISION, "stale", extra={"rev": 7, "status": 200})
    assert error.members()["rev"] == 7
    assert error.members()["status"] == 412


def test_the_text_of_the_exception_tells_status_and_kind():
    assert str(problem.invalid("q", "short")) == "400 invalid-value: q must be short"
