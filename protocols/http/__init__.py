"""HTTP without a server: problems, media types, pages, entity tags, event streams, OpenAPI."""
