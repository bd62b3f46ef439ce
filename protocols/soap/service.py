"""A service: its operations, each with the record that is asked and the one that is answered."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from protocols.http.problem import HttpProblem
from protocols.soap.binding import Binding
from protocols.soap.envelope import NO_SUCH_OPERATION
from protocols.soap.model import Place, RecordForm, form_of
from protocols.soap.names import local_of, namespace_of
from protocols.soap.reading import Element

RESULT = "result"
RESPONSE = "Response"


class OperationSpec(Struct, frozen=True, kw_only=True):
    """What is to be said of an operation.

    Attributes:
        name: Of the operation, and of the element that asks for it.
        summary: One sentence.
        request: Record of what is asked.
        result: Record of what is answered.
    """

    name: str
    summary: str
    request: Any
    result: Any


class OperationForm(Struct, frozen=True):
    """How an operation lies in XML: as document/literal, wrapped.

    Attributes:
        spec: What is said of it.
        request: The element that asks.
        answer: The element that answers, which has one `result`.
    """

    spec: OperationSpec
    request: RecordForm
    answer: RecordForm


class Service:
    """The operations of one namespace.

    Args:
        name: Of the service.
        namespace: With its version: another version has another namespace.
        operations: In the order wanted.
        problem: Record of the detail of a fault.
    """

    def __init__(
        self, name: str, namespace: str, operations: tuple[OperationSpec, ...], problem: Any
    ) -> None:
        self.name = name
        self.namespace = namespace
        self.binding = Binding(namespace)
        self.problem = form_of(problem, "answer")
        self.operations = {spec.name: _form(spec) for spec in operations}

    def operation_of(self, element: Element, action: str | None) -> OperationForm:
        """Find the operation that the body of an envelope asks for.

        Args:
            element: What is in the body.
            action: The header `SOAPAction`, which may be empty or missing, but not differ.

        Raises:
            HttpProblem: There is none, or the header names another one.
        """
        name = local_of(element.name)
        known = self.operations.get(name) if namespace_of(element.name) == self.namespace else None
        if known is None:
            rule = f"one of {', '.join(self.operations)} of the namespace {self.namespace}"
            raise HttpProblem(
                NO_SUCH_OPERATION, "the body asks for no operation", field="Body", rule=rule
            )
        told = (action or "").strip().strip('"')
        if told not in ("", self.action(name)):
            rule = f'"{self.action(name)}", as the body says, or empty'
            raise HttpProblem(
                NO_SUCH_OPERATION, "the header names another one", field="SOAPAction", rule=rule
            )
        return known

    def action(self, name: str) -> str:
        """The `SOAPAction` of an operation."""
        return f"{self.namespace}:{name}"


def _form(spec: OperationSpec) -> OperationForm:
    request = form_of(spec.request, "request")
    answer = Place(RESULT, form_of(spec.result, "answer"), optional=False)
    return OperationForm(
        spec,
        RecordForm(spec.name, request.places),
        RecordForm(spec.name + RESPONSE, (answer,)),
    )
