"""What of a vigie node travels to the node of another release, part by part, and who does it."""
