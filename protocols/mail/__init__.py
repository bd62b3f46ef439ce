"""Mail as it arrives: a message read without trusting it (RFC 5322, RFC 2045), sans-IO."""
