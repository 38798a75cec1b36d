"""Stream what an AI agent does to people and programs, live, and cancel it for real."""
