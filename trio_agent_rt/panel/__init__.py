"""The web page of an agent, and the client of it that runs in browsers."""
