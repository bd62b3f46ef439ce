"""The CTI load generator: what it sends, when, what it was answered, whether that is true."""
