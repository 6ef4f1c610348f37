"""Clients of the public archives: polite, resumable, tested against a local server."""
