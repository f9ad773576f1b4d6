"""What it costs: steps, updates, memory, starts, each beside others."""
