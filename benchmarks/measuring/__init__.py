"""One server at a time, with a client against it: what it takes."""
