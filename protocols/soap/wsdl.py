"""The WSDL 1.1 of a service: document/literal over HTTP."""

from __future__ import annotations

from lxml import etree

from protocols.soap.names import SOAP_HTTP, WSDL, WSDL_SOAP, XSD, qualified
from protocols.soap.service import RESPONSE, OperationForm, Service
from protocols.soap.xsd import schema_of

FAULT = "ProblemFault"


def wsdl_of(service: Service, location: str) -> bytes:
    """Write the WSDL of a service, its schema within.

    Args:
        service: The service.
        location: URL that it is served at.
    """
    root = etree.Element(
        qualified(WSDL, "definitions"),
        nsmap={
            "wsdl": WSDL,
            "soap": WSDL_SOAP,
            "xs": XSD,
            "tns": service.namespace,
        },
        name=service.name,
        targetNamespace=service.namespace,
    )
    _child(root, "types").append(schema_of(service))
    _messages(root, service)
    _port_type(root, service)
    _binding(root, service)
    named = _child(root, "service", name=f"{service.name}Service")
    port = _child(named, "port", name=service.name, binding=f"tns:{service.name}Soap")
    _soap(port, "address", location=location)
    return written(root)


def xsd_of(service: Service) -> bytes:
    """Write the schema of a service by itself."""
    return written(schema_of(service))


def written(root: etree._Element) -> bytes:
    """Write a document that people read too."""
    etree.cleanup_namespaces(root, keep_ns_prefixes=["wsdl", "soap", "xs", "tns"])
    etree.indent(root)
    text: bytes = etree.tostring(root, encoding="UTF-8", xml_declaration=True)
    return text + b"\n"


def _messages(root: etree._Element, service: Service) -> None:
    for name in service.operations:
        for element in (name, name + RESPONSE):
            message = _child(root, "message", name=element)
            _child(message, "part", name="parameters", element=f"tns:{element}")
    message = _child(root, "message", name=FAULT)
    _child(message, "part", name="problem", element=f"tns:{service.problem.name}")


def _port_type(root: etree._Element, service: Service) -> None:
    port_type = _child(root, "portType", name=service.name)
    for name, operation in service.operations.items():
        described = _child(port_type, "operation", name=name)
        _child(described, "documentation").text = operation.spec.summary
        _child(described, "input", message=f"tns:{name}")
        _child(described, "output", message=f"tns:{name}{RESPONSE}")
        _child(described, "fault", name=FAULT, message=f"tns:{FAULT}")


def _binding(root: etree._Element, service: Service) -> None:
    binding = _child(root, "binding", name=f"{service.name}Soap", type=f"tns:{service.name}")
    _soap(binding, "binding", style="document", transport=SOAP_HTTP)
    for operation in service.operations.values():
        _bound(binding, service, operation)


def _bound(binding: etree._Element, service: Service, operation: OperationForm) -> None:
    name = operation.spec.name
    bound = _child(binding, "operation", name=name)
    _soap(bound, "operation", soapAction=service.action(name), style="document")
    for part in ("input", "output"):
        _soap(_child(bound, part), "body", use="literal")
    _soap(_child(bound, "fault", name=FAULT), "fault", name=FAULT, use="literal")


def _child(parent: etree._Element, tag: str, /, **attributes: str) -> etree._Element:
    return etree.SubElement(parent, qualified(WSDL, tag), **attributes)


def _soap(parent: etree._Element, tag: str, /, **attributes: str) -> etree._Element:
    return etree.SubElement(parent, qualified(WSDL_SOAP, tag), **attributes)
