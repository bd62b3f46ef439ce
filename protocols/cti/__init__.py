"""The CTI link: framing, messages and both ends of a connection, without any input or output."""
