"""Framing B of the CTI link, CSTA Phase III XML (ECMA-323), without any input or output."""
