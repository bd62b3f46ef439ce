import json
from typing import Annotated

import msgspec

from protocols.http import openapi, problem
from protocols.http.openapi import OperationDoc
from protocols.http.paging import Page


class Row(msgspec.Struct):
    name: str


class Query(msgspec.Struct):
    depth: Annotated[int, msgspec.Meta(ge=0, le=64)]
    path: str | None = None


LIST = OperationDoc(
    name="listRows",
    method="GET",
    path="/rows",
    summary="The rows.",
    scopes=("viewer",),
    query=Query,
    response=Page[Row],
    problems=(problem.FORBIDDEN,),
)
CHANGE = OperationDoc(
    name="changeRow",
    method="PATCH",
    path="/rows/{row}",
    summary="Change a row.",
    headers={"If-Match": "The version that was read."},
    request=Row,
    status=204,
)


def described():
    return json.loads(msgspec.json.encode(openapi.document("test", "1.0", [LIST, CHANGE])))


def test_the_document_names_version_and_operations():
    document = described()
    assert document["openapi"] == "3.1.0"
    assert document["info"] == {"title": "test", "version": "1.0"}
    assert document["paths"]["/rows"]["get"]["operationId"] == "listRows"


def test_parameters_of_query_path_and_headers_carry_their_schema():
    paths = described()["paths"]
    depth, path = paths["/rows"]["get"]["parameters"]
    assert depth == {
        "name": "depth",
        "in": "query",
        "required": True,
        "schema": {"type": "integer", "minimum": 0, "maximum": 64},
    }
    assert (path["name"], path["required"]) == ("path", False)
    row, tag = paths["/rows/{row}"]["patch"]["parameters"]
    assert (row["name"], row["in"], row["required"]) == ("row", "path", True)
    assert (tag["name"], tag["in"]) == ("If-Match", "header")


def test_answers_refer_to_schemas_that_exist():
    document = described()
    references = set()

    def collect(node):
        if isinstance(node, dict):
            references.update(value for key, value in node.items() if key == "$ref")
            node = list(node.values())
        if isinstance(node, list):
            for inner in node:
                collect(inner)

    collect(document)
    schemas = document["components"]["schemas"]
    assert references
    assert all(ref.removeprefix("#/components/schemas/") in schemas for ref in references)
    assert "Problem" in schemas


def test_a_scope_makes_the_token_required_and_problems_are_told():
    paths = described()["paths"]
    assert paths["/rows"]["get"]["security"] == [{"bearer": []}]
    assert "security" not in paths["/rows/{row}"]["patch"]
    assert set(paths["/rows"]["get"]["responses"]) == {"200", "403", "default"}


def test_an_answer_without_a_body_has_no_content():
    responses = described()["paths"]["/rows/{row}"]["patch"]["responses"]
    assert "content" not in responses["204"]
