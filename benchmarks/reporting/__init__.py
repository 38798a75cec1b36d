"""What the measurements say: tables, targets, JSON, plots."""
