"""The servers that are compared: ours, and small ones as one writes them with each library."""
