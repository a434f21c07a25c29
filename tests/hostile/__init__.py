"""A node that attacks: what it sends, sent to a real client, and what that costs and does there."""
