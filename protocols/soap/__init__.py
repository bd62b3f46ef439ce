"""SOAP 1.1, document/literal, without IO: XML in, records out, and a WSDL made from them.

`reading` reads XML that nobody is to be trusted with; `envelope` knows SOAP's; `model` says how a
typed record lies in XML, `binding` reads and writes by it, `xsd` and `wsdl` describe it.
"""
