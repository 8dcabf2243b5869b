"""A stand-in for Wikimedia's EventGate."""
