"""Servers that run on asyncio."""
