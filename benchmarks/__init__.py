"""What an event costs, here and with other servers: `make bench`."""
