"""Servers that run on Trio."""
