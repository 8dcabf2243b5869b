"""Servers that stand in for those that Lift Wing asks, each in a container: see the Dockerfile."""
