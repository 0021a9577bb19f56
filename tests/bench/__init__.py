"""Speed, size and cost, measured side by side: what `scripts/bench` runs."""
