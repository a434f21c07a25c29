"""Pictures by matplotlib, which is imported when the first is drawn: `figures` of balance and latency, `traffic` of our asks."""
