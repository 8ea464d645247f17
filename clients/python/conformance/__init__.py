"""The runner of the conformance suite for the Python client. It uses nothing of the client but what everybody may use."""
