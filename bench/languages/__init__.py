"""The clients of all languages beside each other, on the same server."""
